
-- Dubkit -------------------------------------------------------------------------------------------------------------

local project, timeline, manager = open_timeline()
if not timeline then say("open a timeline first") return end
local uid, origin = timeline:GetUniqueId(), timeline:GetStartFrame()

local function safe(text) return (tostring(text or ""):gsub("[^%w%-]", "-")) end

local function whole(number) return string.format("%d", number) end

-- The scope: selected clips, else the range between In and Out, else everything. Frames are relative to the start.
local function scope()
  local parts = {}
  for _, item in ipairs(try(timeline, "GetSelectedClips") or {}) do -- 21.0.4 and later
    local place = item:GetTrackTypeAndIndex()
    if place and place[1] == "video" then
      parts[#parts + 1] = "v" .. whole(place[2]) .. "x" .. whole(item:GetStart() - origin) .. "x" .. whole(item:GetDuration())
    end
  end
  if #parts > 0 then return table.concat(parts, "-") end
  local marks = try(timeline, "GetMarkInOut") -- 19.1 and later
  local range = type(marks) == "table" and marks.video
  if type(range) == "table" and range["in"] and range.out then
    return "v0x" .. whole(range["in"]) .. "x" .. whole(range.out - range["in"] + 1)
  end
  return "all"
end

local function load_plan(path)
  if not bmd.fileexists(path) then return nil end
  local ok, plan = pcall(dofile, path)
  if ok and type(plan) == "table" and plan.schema == "dubkit.plan/1" then return plan end
end

-- The work took minutes: is every clip that was dubbed still where it was?
local function unchanged(plan)
  if plan.origin ~= origin then return false end
  for _, w in ipairs(plan.witness) do
    local found = false
    for _, item in ipairs(timeline:GetItemListInTrack("video", w.track) or {}) do
      if item:GetStart() == origin + w.at and item:GetDuration() == w.length then found = true break end
    end
    if not found then return false end
  end
  return true
end

local function item_at(kind, index, c)
  for _, item in ipairs(timeline:GetItemListInTrack(kind, index) or {}) do
    if item:GetStart() == origin + c.at and item:GetDuration() == c.length and item:GetUniqueId() then return item end
  end
end

-- How many of the plan's clips stand on our tracks as they should.
local function placed(plan)
  local count, names = 0, {}
  for _, t in ipairs(plan.tracks) do names[t.id] = t.name end
  for _, c in ipairs(plan.clips) do
    local index = track_named(timeline, c.kind, names[c.track])
    if index and item_at(c.kind, index, c) then count = count + 1 end
  end
  return count
end

local function import(pool, plan)
  local root, before = pool:GetRootFolder(), pool:GetCurrentFolder()
  local name = "Dubkit " .. plan.key:sub(1, 8)
  local bin = bin_named(pool, name) or pool:AddSubFolder(root, name)
  if not bin or not pool:SetCurrentFolder(bin) then return nil, "could not make the bin " .. name end
  local media, problem = {}, nil
  local function look()
    for _, clip in ipairs(bin:GetClipList() or {}) do
      local properties = clip:GetClipProperty() or {}
      media[slashes(properties["File Path"])] = clip
    end
  end
  look()
  for _, c in ipairs(plan.clips) do
    if not media[c.path] then -- a file that is in the pool already is not imported twice
      pool:ImportMedia({ c.path })
      look()
      if not media[c.path] then pool:ImportMedia({ { FilePath = c.path } }) look() end
      if not media[c.path] then problem = "Resolve would not import " .. c.path break end
    end
  end
  pool:SetCurrentFolder(before)
  if problem then return nil, problem end
  return media
end

local function add_tracks(plan)
  local index = {}
  for _, t in ipairs(plan.tracks) do
    local before = timeline:GetTrackCount(t.kind)
    if t.kind == "audio" then timeline:AddTrack("audio", t.sub) else timeline:AddTrack("video") end
    local now = timeline:GetTrackCount(t.kind)
    if now ~= before + 1 then return nil, "Resolve would not add a track" end
    timeline:SetTrackName(t.kind, now, t.name)
    if timeline:GetTrackName(t.kind, now) ~= t.name then
      timeline:DeleteTrack(t.kind, now) -- empty and just added; without its name a later undo could not find it
      return nil, "Resolve would not name the new track"
    end
    index[t.id] = now
  end
  return index
end

-- One clip a call, sound and picture apart, whole frames, both ends given; then it is looked for on the track.
local function append(pool, plan, media, index)
  local linked = {}
  for _, c in ipairs(plan.clips) do
    if not is_current(project, uid) then return "another timeline was opened" end
    pool:AppendToTimeline({ {
      mediaPoolItem = media[c.path], startFrame = c.first, endFrame = c.past, -- past: exclusive
      mediaType = c.kind == "video" and 1 or 2, trackIndex = index[c.track],
      recordFrame = origin + c.at, -- absolute
    } })
    local item = item_at(c.kind, index[c.track], c)
    if not item then return "Resolve did not place " .. c.name .. " as asked" end
    linked[c.group] = linked[c.group] or {}
    table.insert(linked[c.group], item)
  end
  for _, pair in pairs(linked) do
    if #pair == 2 then timeline:SetClipsLinked(pair, true) end
  end
end

local function mark(plan)
  for n, m in ipairs(plan.markers) do
    add_marker(timeline, m.at, m.at + m.length, m.color, m.name, m.note, 1, TAG .. plan.key .. ":" .. n)
  end
  local first = plan.clips[1]
  return add_marker(timeline, first.at, first.at + 1000, "Green", "Dubkit", plan.note, 1, TAG .. plan.key)
end

local function has_mark(plan)
  local marker = timeline:GetMarkerByCustomData(TAG .. plan.key)
  return type(marker) == "table" and next(marker) ~= nil
end

-- The marker was set when everything was in place; what the editor has trimmed or moved on our tracks since is his.
local function stands(plan)
  if not has_mark(plan) then return false end
  for _, t in ipairs(plan.tracks) do
    if track_named(timeline, t.kind, t.name) then return true end
  end
  return false
end

-- An earlier dub stays for comparison, but switched off: two voices at once help nobody. Gives what was switched.
local function switch_off_earlier(plan)
  local switched, ours = {}, {}
  for _, t in ipairs(plan.tracks) do ours[t.name] = true end
  for _, kind in ipairs({ "video", "audio" }) do
    for i = 1, timeline:GetTrackCount(kind) do
      local name = timeline:GetTrackName(kind, i) or ""
      if begins(name, "Dubkit ") and not ours[name] and timeline:GetIsTrackEnabled(kind, i) then
        timeline:SetTrackEnable(kind, i, false)
        switched[#switched + 1] = { kind, i }
      end
    end
  end
  return switched
end

-- Places a finished dub. All or nothing: whatever goes wrong, our tracks, markers and bin are taken back.
local function place(plan)
  if stands(plan) then return "already" end
  if not unchanged(plan) then return nil, "the timeline has changed since; run Dubkit again" end
  if not take_back(project, timeline, plan.key) then return nil, "what an earlier run left could not be removed" end
  local pool = project:GetMediaPool()
  local media, problem = import(pool, plan)
  local index
  if media then index, problem = add_tracks(plan) end
  if index then problem = append(pool, plan, media, index) end
  if not problem and placed(plan) ~= #plan.clips then problem = "clips are missing after placing" end
  if not problem and not mark(plan) then problem = "Resolve would not add a marker" end
  local switched = problem and {} or switch_off_earlier(plan)
  local name = project:GetName()
  if not problem and name and name ~= "" and name ~= "Untitled Project" then
    manager:SaveProject() -- clips of a call that failed inside vanish now, so look again
    if placed(plan) ~= #plan.clips then problem = "clips vanished when the project was saved" end
  end
  if problem then
    for _, t in ipairs(switched) do timeline:SetTrackEnable(t[1], t[2], true) end
    take_back(project, timeline, plan.key)
    return nil, problem
  end
  return "ok"
end

local function acknowledge(job, state)
  if resolve.EXPORT_OTIO ~= nil then timeline:Export(MAILBOX .. "/acks/" .. job .. "." .. state .. ".otio", resolve.EXPORT_OTIO) end
end

local function finish(plan, job)
  local state, problem = on_edit_page(function()
    local s, p = place(plan)
    return { s, p }
  end), nil
  if state then state, problem = state[1], state[2] end
  if state == "already" then say("already placed; nothing was changed")
  elseif state == "ok" then say("placed " .. #plan.clips .. " clips. " .. plan.note)
  else say("nothing was placed: " .. tostring(problem or "see above")) end
  acknowledge(job, state or "failed")
end

@RENDER@

local function worker_alive()
  local ok, beat = pcall(dofile, MAILBOX .. "/worker.lua")
  return ok and type(beat) == "number" and math.abs(os.time() - beat) < 30
end

-- The request is the timeline itself; its file name carries the rest, since there is no other way to write a file.
local function ask(job, wanted, step)
  local version = try(resolve, "GetVersionString") or ""
  local facts = { job, step, safe(uid), safe(project:GetUniqueId()), whole(origin), wanted, safe(resolve:GetProductName() .. "-" .. version) }
  local name = table.concat(facts, ".")
  if #name > 230 then say("too many clips are selected; set In and Out instead") return false end
  for _, kind in ipairs({ { resolve.EXPORT_OTIO, ".otio" }, { resolve.EXPORT_FCP_7_XML, ".xml" } }) do
    local path = MAILBOX .. "/inbox/" .. name .. kind[2]
    if kind[1] ~= nil and timeline:Export(path, kind[1]) and bmd.fileexists(path) then return true end
  end
  say("Resolve would not write the request to " .. MAILBOX .. "; export the timeline by hand (File > Export > Timeline, OTIO) and run: dubkit nle dub")
  return false
end

local function answer(job, step)
  local path, t0 = MAILBOX .. "/outbox/" .. job .. "." .. step, bmd.gettime()
  while not bmd.fileexists(path .. ".lua") do
    if bmd.fileexists(path .. ".failed.lua") then
      local ok, why = pcall(dofile, path .. ".failed.lua")
      say("the dub failed: " .. tostring(ok and why or "see the worker's window"))
      return nil
    end
    if bmd.gettime() - t0 > TIMEOUT then
      say("no answer yet. Is `dubkit resolve serve` running? Run this script again later: a finished dub is placed at once")
      return nil
    end
    bmd.wait(0.25)
  end
  local plan = load_plan(path .. ".lua")
  if not plan or plan.job ~= job then say("the answer could not be read") return nil end
  return plan
end

local function main()
  local wanted = scope()
  local done = load_plan(MAILBOX .. "/outbox/timeline-" .. safe(uid) .. ".lua")
  if done and done.scope == wanted and not has_mark(done) and unchanged(done) then return finish(done, done.job) end
  local job = bmd.createuuid():gsub("[^%w]", ""):lower()
  if not ask(job, wanted, "1") then return end
  if not worker_alive() and type(os.execute) == "function" and START_WORKER ~= "" then pcall(os.execute, START_WORKER) end
  local plan = answer(job, "1")
  if plan and plan.action == "render" then
    if not render(plan) then return end
    if not ask(job, wanted, "2") then return end
    plan = answer(job, "2")
  end
  if not plan then return end
  if plan.action ~= "place" then say(plan.note) return end
  finish(plan, job)
end

main()
