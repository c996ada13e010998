
-- Dubkit Undo --------------------------------------------------------------------------------------------------------
-- Takes back everything that dubkit placed on the current timeline, and nothing else.

local project, timeline = open_timeline()
if not timeline then say("open a timeline first") return end

local function undo()
  local keys, clean = {}, true
  for _, marker in pairs(timeline:GetMarkers() or {}) do
    local data = type(marker) == "table" and marker.customData
    local key = type(data) == "string" and data:match("^dubkit:1:(%x+)")
    if key then keys[key] = true end
  end
  for _, kind in ipairs({ "video", "audio" }) do -- also what a placement left that was cut short before its marker
    for index = 1, timeline:GetTrackCount(kind) do
      local key = (timeline:GetTrackName(kind, index) or ""):match("^Dubkit [%w%-]+ (%x%x%x%x%x%x%x%x)$")
      local known = false
      for longer in pairs(keys) do known = known or begins(longer, tostring(key)) end
      if key and not known then keys[key] = true end
    end
  end
  local count = 0
  for key in pairs(keys) do
    count = count + 1
    clean = take_back(project, timeline, key) and clean
  end
  if count == 0 then say("dubkit has placed nothing on this timeline")
  elseif clean then say("everything that dubkit placed on this timeline is gone")
  else say("some of it stays, see above") end
end

on_edit_page(undo)
