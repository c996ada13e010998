-- A reference: what the timeline shows where a clip cannot be read from its file (retimed, compound, multicam, variable rate).
-- Rendered as one clip a range; everything that had to be touched is put back.
local function set_enabled(states, enabled)
  for _, s in ipairs(states) do
    local value = s[3]
    if enabled ~= nil then value = enabled end
    timeline:SetTrackEnable(s[1], s[2], value)
  end
end

local function render_one(r)
  for _, preset in ipairs(r.presets) do -- settings pile up on whatever was loaded last ("Audio Only" gave no picture)
    if project:LoadRenderPreset(preset) then break end
  end
  project:SetCurrentRenderMode(1)
  local chosen = false
  for _, codec in ipairs(r.codecs) do
    chosen = chosen or project:SetCurrentRenderFormatAndCodec("mov", codec)
  end
  if not chosen then return "Resolve has none of the codecs for a reference" end
  local set = project:SetRenderSettings({
    SelectAllFrames = false, MarkIn = origin + r.first, MarkOut = origin + r.past - 1, -- absolute, inclusive
    TargetDir = r.dir, CustomName = r.name, ExportVideo = true, ExportAudio = true, AudioSampleRate = 48000,
  })
  if not set then return "Resolve refused the render settings" end
  local id = project:AddRenderJob()
  if not id or id == "" then return "Resolve would not add a render job" end
  local problem
  if not project:StartRendering({ id }, false) then
    problem = "Resolve would not start rendering"
  else
    while project:IsRenderingInProgress() do bmd.wait(0.5) end
    local status = project:GetRenderJobStatus(id) or {} -- its words are in the user's language: only the numbers count
    if tonumber(status.CompletionPercentage) ~= 100 or (status.Error and status.Error ~= "") then
      problem = "rendering failed: " .. tostring(status.Error or "unfinished")
    elseif not bmd.fileexists(r.dir .. "/" .. r.name .. ".mov") then
      problem = "the rendered file is not at " .. r.dir
    end
  end
  project:DeleteRenderJob(id)
  return problem
end

local function render(plan)
  local page, problem = resolve:GetCurrentPage(), nil
  local marks = try(timeline, "GetMarkInOut")
  local format, mode = project:GetCurrentRenderFormatAndCodec(), project:GetCurrentRenderMode()
  local states = {}
  for _, kind in ipairs({ "video", "audio" }) do
    for i = 1, timeline:GetTrackCount(kind) do
      if begins(timeline:GetTrackName(kind, i) or "", "Dubkit ") or timeline:GetTrackName(kind, i) == plan.dub_track then
        states[#states + 1] = { kind, i, timeline:GetIsTrackEnabled(kind, i) }
      end
    end
  end
  local preset = "dubkit " .. plan.job:sub(1, 12)
  resolve:OpenPage("deliver")
  local saved = project:SaveAsNewRenderPreset(preset) -- the settings cannot be read, only saved and loaded
  local ok, raised = pcall(function()
    set_enabled(states, false)
    for _, r in ipairs(plan.renders) do
      if not problem and not bmd.fileexists(r.dir .. "/" .. r.name .. ".mov") then problem = render_one(r) end
    end
  end)
  set_enabled(states)
  if saved then
    project:LoadRenderPreset(preset)
    project:DeleteRenderPreset(preset)
  end
  if format and format.format then project:SetCurrentRenderFormatAndCodec(format.format, format.codec) end
  if mode then project:SetCurrentRenderMode(mode) end
  try(timeline, "ClearMarkInOut", "all")
  for kind, range in pairs(type(marks) == "table" and marks or {}) do
    if range["in"] and range.out then try(timeline, "SetMarkInOut", range["in"], range.out, kind) end
  end
  if page then resolve:OpenPage(page) end
  if not ok then problem = raised end
  if problem then say("no reference: " .. tostring(problem)) end
  return not problem
end
