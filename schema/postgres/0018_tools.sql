-- MCP tools (`server/tool`, or patterns) that a key may call, and that the keys of a team may call at most. As with
-- surfaces and models an empty list means none. Keys and teams that are there get none: whoever made them opened
-- surfaces and models, and no list of theirs was about tools.
ALTER TABLE virtual_keys
    ADD COLUMN tools text[] NOT NULL DEFAULT '{}' CHECK (array_position(tools, NULL) IS NULL);
ALTER TABLE teams
    ADD COLUMN tools text[] NOT NULL DEFAULT '{}' CHECK (array_position(tools, NULL) IS NULL);
