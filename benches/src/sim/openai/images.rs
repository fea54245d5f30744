//! `POST /v1/images/generations` and `/edits`: one grey pixel, as PNG in base64.

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::multipart;
use crate::sim::openai::required;
use serde_json::{Value, json};

/// A valid PNG of 1×1 pixel.
const PIXEL: [u8; 67] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00, 0x00, 0x3a, 0x7e, 0x9b, 0x55, 0x00,
    0x00, 0x00, 0x0a, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x68, 0x00, 0x00, 0x00, 0x82, 0x00, 0x81,
    0x77, 0xcd, 0x72, 0xb6, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];
/// Output tokens of an image (1024×1024, low quality).
const IMAGE_TOKENS: u32 = 272;

/// Answers a generation.
pub(crate) fn generate(turn: &Turn<'_>) -> Result<Answer, Fault> {
    required(turn.ask.prompt, "prompt")?;
    Ok(answer(turn, turn.ask.tally().tokens(), turn.ask.n.unwrap_or(1), 0))
}

/// Answers an edit (or a variation, which has no prompt).
pub(crate) fn edit(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let form = multipart::parse(turn.headers, turn.body)
        .ok_or_else(|| Fault::new(400, "Invalid multipart form data."))?;
    if form.part("image").is_none() {
        return Err(Fault {
            param: Some("image".into()),
            ..Fault::new(400, "Missing required parameter: 'image'.")
        });
    }
    let text = form.text("prompt").map_or(0, |p| p.len().div_ceil(4) as u32);
    let count = form.text("n").and_then(|n| n.parse().ok()).unwrap_or(1);
    Ok(answer(turn, text, count, IMAGE_TOKENS))
}

fn answer(turn: &Turn<'_>, text: u32, count: u32, image: u32) -> Answer {
    let count = count.clamp(1, 10);
    let pixel = base64(&PIXEL);
    let data: Vec<Value> = (0..count).map(|_| json!({"b64_json": pixel})).collect();
    let output = IMAGE_TOKENS * count;
    Answer::json(&json!({"created": turn.now, "background": "opaque", "data": data, "output_format": "png",
        "quality": "low", "size": "1024x1024", "usage": {
            "input_tokens": text + image, "input_tokens_details": {"image_tokens": image, "text_tokens": text},
            "output_tokens": output, "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
            "total_tokens": text + image + output}}))
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|i| u32::from(chunk.get(i).copied().unwrap_or(0)));
        let bits = a << 16 | b << 8 | c;
        for i in 0..4 {
            let digit = (bits >> (18 - 6 * i)) & 63;
            out.push(if i <= chunk.len() { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
