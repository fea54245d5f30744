-- Events of responses that were made in the background for a client that streams: an envelope, so that it may have them
-- again. NULL: none were asked for; empty: there are none yet, or they were too many to keep.
ALTER TABLE responses ADD COLUMN events bytea;
