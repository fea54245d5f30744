//! A client's requests.

use super::{Format, Said};
use serde_json::{Value, json};

/// A question for model `m`.
pub(crate) fn text(format: Format, stream: bool) -> Value {
    let turns = json!([{"role": "user", "content": "Weather?"}]);
    let mut body = match format {
        Format::Responses => json!({"model": "m", "input": turns}),
        _ => json!({"model": "m", "messages": turns}),
    };
    if format == Format::Messages {
        body["max_tokens"] = 4096.into();
    }
    if stream {
        body["stream"] = true.into();
        if format == Format::Chat {
            body["stream_options"] = json!({"include_usage": true});
        }
    }
    body
}

/// The schema of the tool `weather` and of structured answers.
pub(crate) fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false})
}

/// The same with a tool.
pub(crate) fn tools(format: Format, stream: bool) -> Value {
    let mut body = text(format, stream);
    let (name, about) = ("weather", "Today's.");
    body["tools"] = match format {
        Format::Chat => json!([{"type": "function",
            "function": {"name": name, "description": about, "parameters": schema()}}]),
        Format::Responses => {
            json!([{"type": "function", "name": name, "description": about, "parameters": schema(), "strict": false}])
        }
        Format::Messages => json!([{"name": name, "description": about, "input_schema": schema()}]),
    };
    body
}

/// The same with a picture (base64 of a PNG).
pub(crate) fn image(format: Format, data: &str) -> Value {
    let mut body = text(format, false);
    let url = format!("data:image/png;base64,{data}");
    let (field, content) = match format {
        Format::Chat => (
            "messages",
            json!([{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": url}}]),
        ),
        Format::Responses => (
            "input",
            json!([{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": url, "detail": "auto"}]),
        ),
        Format::Messages => (
            "messages",
            json!([{"type": "text", "text": "What?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}]),
        ),
    };
    body[field] = json!([{"role": "user", "content": content}]);
    body
}

/// The same with a schema for the answer.
pub(crate) fn structured(format: Format) -> Value {
    let mut body = text(format, false);
    match format {
        Format::Chat => {
            body["response_format"] = json!({"type": "json_schema",
                "json_schema": {"name": "report", "strict": true, "schema": schema()}});
        }
        Format::Responses => {
            body["text"] = json!({"format": {"type": "json_schema", "name": "report", "strict": true, "schema": schema()}});
        }
        Format::Messages => {
            body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema()}});
        }
    }
    body
}

/// The second turn of a loop: what the client got (`answer`, its own words) and the result of its first call.
pub(crate) fn second(format: Format, answer: &Value, heard: &Said) -> Value {
    let mut body = tools(format, false);
    let (id, result) = (&heard.calls[0].id, "sunny");
    match format {
        Format::Chat => {
            let turns = body["messages"].as_array_mut().unwrap();
            turns.push(answer["choices"][0]["message"].clone());
            turns.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
        }
        Format::Responses => {
            let turns = body["input"].as_array_mut().unwrap();
            turns.extend(answer["output"].as_array().unwrap().iter().cloned());
            turns.push(json!({"type": "function_call_output", "call_id": id, "output": result}));
        }
        Format::Messages => {
            let turns = body["messages"].as_array_mut().unwrap();
            turns.push(json!({"role": "assistant", "content": answer["content"]}));
            turns.push(json!({"role": "user",
                "content": [{"type": "tool_result", "tool_use_id": id, "content": result}]}));
        }
    }
    body
}
