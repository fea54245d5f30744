-- "Which call was the provider's request req_…?", as its support asks: without this every day would be read.
CREATE INDEX call_log_upstream_request ON call_log (upstream_request_id) WHERE upstream_request_id IS NOT NULL;
