# @STAMP@
