"""Timelines of editing programs in OpenTimelineIO's words."""
