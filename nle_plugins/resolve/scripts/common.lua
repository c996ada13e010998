-- @STAMP@
-- Written by `dubkit resolve install`. Runs in every edition of DaVinci Resolve, also where a menu script has no io, os.execute or
-- require (Free 21.1 and later). It never changes or deletes anything that dubkit did not place itself.

local MAILBOX, MEDIA, TIMEOUT, START_WORKER = @MAILBOX@, @MEDIA@, @TIMEOUT@, @START_WORKER@
local TAG = "dubkit:1:"

local function say(text) pcall(print, "[dubkit] " .. tostring(text)) end -- muted on Free 21.1

local function slashes(path) return (tostring(path or ""):gsub("\\", "/")) end

local function begins(text, start) return text:sub(1, #start) == start end

-- Some functions are absent in older versions, and Resolve answers nil or False where others raise.
local function try(object, name, ...)
  local ok, answer = pcall(function(...) return object[name](object, ...) end, ...)
  if ok then return answer end
end

local function open_timeline()
  local manager = resolve:GetProjectManager()
  local project = manager and manager:GetCurrentProject()
  local timeline = project and project:GetCurrentTimeline()
  return project, timeline, manager
end

local function is_current(project, uid)
  local current = project:GetCurrentTimeline()
  return current and current:GetUniqueId() == uid
end

-- Tracks -------------------------------------------------------------------------------------------------------------

local function track_named(timeline, kind, name)
  for index = 1, timeline:GetTrackCount(kind) do
    if timeline:GetTrackName(kind, index) == name then return index end
  end
end

local function is_ours(item)
  if (item:GetUniqueId() or "") == "" then return true end -- a dead item: Resolve lists it, but nothing is there
  local media = item:GetMediaPoolItem()
  if not media then return false end
  local properties = media:GetClipProperty()
  return type(properties) == "table" and begins(slashes(properties["File Path"]), MEDIA .. "/")
end

-- Deletes a track of ours, only if everything on it is ours.
local function delete_track(timeline, kind, index)
  for _, item in ipairs(timeline:GetItemListInTrack(kind, index) or {}) do
    if not is_ours(item) then
      say("track '" .. tostring(timeline:GetTrackName(kind, index)) .. "' holds clips that dubkit did not place; it stays")
      return false
    end
  end
  return timeline:DeleteTrack(kind, index)
end

local function delete_tracks(timeline, wanted)
  local clean = true
  for _, kind in ipairs({ "video", "audio" }) do
    for index = timeline:GetTrackCount(kind), 1, -1 do
      if wanted(timeline:GetTrackName(kind, index) or "") then
        clean = delete_track(timeline, kind, index) and clean
      end
    end
  end
  return clean
end

-- Markers ------------------------------------------------------------------------------------------------------------

local function delete_markers(timeline, tag)
  local found = {}
  for _, marker in pairs(timeline:GetMarkers() or {}) do
    local data = type(marker) == "table" and marker.customData
    if type(data) == "string" and begins(data, tag) then found[#found + 1] = data end
  end
  for _, data in ipairs(found) do timeline:DeleteMarkerByCustomData(data) end
  return found
end

-- One marker fits on a frame, and the editor's own stay: takes the next free frame.
local function add_marker(timeline, at, past, color, name, note, length, tag)
  local taken = {}
  for frame in pairs(timeline:GetMarkers() or {}) do taken[math.floor(tonumber(frame) + 0.5)] = true end
  for frame = at, math.max(at, past - 1) do
    if not taken[frame] and timeline:AddMarker(frame, color, name, note, length, tag) then return true end
  end
  return false
end

-- Bins ---------------------------------------------------------------------------------------------------------------

local function bin_named(pool, name)
  for _, folder in ipairs(pool:GetRootFolder():GetSubFolderList() or {}) do
    if folder:GetName() == name then return folder end
  end
end

-- Deletes a bin of ours, only if everything in it is ours and no timeline uses it any more.
local function delete_bin(pool, folder)
  local clips = folder:GetClipList() or {}
  if #(folder:GetSubFolderList() or {}) > 0 then return false end
  for _, clip in ipairs(clips) do
    local properties = clip:GetClipProperty() or {}
    if not begins(slashes(properties["File Path"]), MEDIA .. "/") or tonumber(properties["Usage"]) ~= 0 then
      say("bin '" .. folder:GetName() .. "' is still in use; it stays")
      return false
    end
  end
  if #clips > 0 and not (pool:DeleteClips(clips) or pool:DeleteClips(clips)) then return false end -- its first try can fail
  return pool:DeleteFolders({ folder })
end

-- Removes everything that belongs to one key: what a placement that went wrong leaves, or what an undo takes back.
local function take_back(project, timeline, key)
  local pool = project:GetMediaPool()
  local clean = delete_tracks(timeline, function(name)
    return begins(name, "Dubkit ") and name:sub(-8) == key:sub(1, 8)
  end)
  if clean then delete_markers(timeline, TAG .. key) end
  local bin = bin_named(pool, "Dubkit " .. key:sub(1, 8))
  if bin then clean = delete_bin(pool, bin) and clean end
  return clean
end

-- DeleteClips and DeleteTrack want the Edit page. Afterwards the editor is where he was.
local function on_edit_page(work)
  local page = resolve:GetCurrentPage()
  if page ~= "edit" then resolve:OpenPage("edit") end
  local ok, answer = pcall(work)
  if page and page ~= "edit" then resolve:OpenPage(page) end
  if not ok then say("stopped: " .. tostring(answer)) return nil end
  return answer
end
