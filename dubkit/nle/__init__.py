"""Timelines of editing programs: read one, dub the media that it uses, write it back with the dub on tracks of its own.

``timeline``  the neutral model every format is read into, in OpenTimelineIO's words
``uses``      which frames of which media the timeline shows
``reel``      those frames with handles, laid end to end as one film to dub
``conform``   cutting that film and its sound, exactly to the frame
``dubber``    who dubs the reel
``result``    the tracks and markers that the dub adds
``dub``       all of it in order
``plugins``   the file formats and editors, found by their manifests
"""
