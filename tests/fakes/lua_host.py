"""Runs a menu script under LuaJIT as Resolve would: with everything that Lua has, or only with what Free 21.1 leaves."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lupa import luajit21

from tests.fakes import resolve as fake

GONE = ("io", "require", "package", "ffi", "debug", "module")  # from Free 21.1 on
GONE_FROM_OS = ("execute", "remove", "rename", "exit", "getenv_s", "tmpname")


class Host:
    """One script run a call. ``on_wait`` is what the world does while the script waits (the worker, an editor)."""

    def __init__(self, world: fake.World, *, restricted: bool, on_wait: Callable[[], None] = lambda: None):
        self.world, self.restricted, self.on_wait = world, restricted, on_wait
        self.said: list[str] = []
        self.commands: list[str] = []
        self.now = 0.0

    def run(self, script: Path) -> list[str]:
        """Runs the script and returns what it said (heard by us even where Resolve mutes print)."""
        self.said = []
        lua = luajit21.LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
        proxies = _Proxies(lua)
        world = lua.globals()
        world.print = lambda *texts: self.said.append(" ".join(map(str, texts)))
        if self.restricted:
            for name in GONE:
                world[name] = None
            for name in GONE_FROM_OS:
                world.os[name] = None
        else:
            wrap = lua.eval("function(f) return function(command) return f(command) end end")
            world.os.execute = wrap(lambda command: self.commands.append(command) or 0)
        world.resolve = proxies.out(self.world.resolve)
        world.bmd = lua.table_from(
            {
                "fileexists": lambda path: os.path.isfile(path),
                "wait": self._wait,
                "gettime": lambda: self.now,
                "createuuid": lambda: str(uuid.uuid4()).upper(),
                "getpid": os.getpid,
            }
        )
        world.python = None
        lua.execute(script.read_text("ascii"))
        return self.said

    def _wait(self, seconds: float) -> None:
        self.now += seconds
        self.on_wait()


class _Proxies:
    """Python objects of the fake as Lua tables with methods, and back. Numbers become doubles, as in Lua 5.1."""

    def __init__(self, lua: Any):
        self.lua = lua
        self.objects: dict[int, Any] = {}  # id of the proxy table's key → object
        self.tables: dict[int, Any] = {}
        self._raise = lua.eval("function(text) error(text, 0) end")

    def out(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            table = self.lua.table()
            for i, item in enumerate(value, start=1):
                table[i] = self.out(item)
            return table
        if isinstance(value, dict):
            table = self.lua.table()
            for key, item in value.items():
                table[key] = self.out(item)
            return table
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if id(value) not in self.tables:
            self.tables[id(value)] = self._proxy(value)
        return self.tables[id(value)]

    def _proxy(self, thing: Any) -> Any:
        table = self.lua.table()
        table["__object"] = id(thing)
        self.objects[id(thing)] = thing
        for name in dir(type(thing)):
            if name.startswith("EXPORT_"):
                table[name] = getattr(thing, name)
            elif name[0].isupper():
                table[name] = self._method(thing, name)
        return table

    def _method(self, thing: Any, name: str) -> Callable[..., Any]:
        def call(this: Any, *arguments: Any) -> Any:
            if this is None or this["__object"] != id(thing):
                raise TypeError(f"{name} was called with '.' instead of ':'")
            return self.out(getattr(thing, name)(*(self.back(argument) for argument in arguments)))

        return call

    def back(self, value: Any) -> Any:
        if luajit21.lua_type(value) == "table":
            if value["__object"] is not None:
                return self.objects[value["__object"]]
            items = {key: self.back(item) for key, item in value.items()}
            if set(items) == set(range(1, len(items) + 1)):
                return [items[i] for i in range(1, len(items) + 1)]
            return items
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value
