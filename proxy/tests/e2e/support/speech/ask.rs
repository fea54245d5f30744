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

/// What every tool gives.
pub(crate) const RESULT: &str = "sunny";

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

/// The second turn of a loop: what the client got (`answer`, its own words) and the results of its calls.
pub(crate) fn second(format: Format, answer: &Value, heard: &Said) -> Value {
    after(format, tools(format, false), answer, heard)
}

/// The turn after that which `body` asked for.
pub(crate) fn after(format: Format, mut body: Value, answer: &Value, heard: &Said) -> Value {
    let results = heard.calls.iter().map(|call| match format {
        Format::Chat => json!({"role": "tool", "tool_call_id": call.id, "content": RESULT}),
        Format::Responses => json!({"type": "function_call_output", "call_id": call.id, "output": RESULT}),
        Format::Messages => json!({"type": "tool_result", "tool_use_id": call.id, "content": RESULT}),
    });
    let field = if format == Format::Responses { "input" } else { "messages" };
    let turns = body[field].as_array_mut().unwrap();
    match format {
        Format::Chat => {
            turns.push(answer["choices"][0]["message"].clone());
            turns.extend(results);
        }
        Format::Responses => {
            turns.extend(answer["output"].as_array().unwrap().iter().cloned());
            turns.extend(results);
        }
        Format::Messages => {
            turns.push(json!({"role": "assistant", "content": answer["content"]}));
            turns.push(json!({"role": "user", "content": results.collect::<Value>()}));
        }
    }
    body
}
