//! `POST /v1/audio/speech` (binary) and `/v1/audio/transcriptions` (a form).

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::{Dialect, Fault};
use crate::sim::multipart;
use crate::sim::openai::images::base64;
use crate::sim::openai::required;
use crate::sim::script::Writer;
use crate::sim::text::Text;
use serde::Deserialize;
use serde_json::json;

/// An MPEG-1 layer III frame of silence: 128 kbit/s, 44.1 kHz.
const MP3_HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0x64];
const MP3_FRAME: usize = 417;
/// Samples a second of PCM and WAV.
const RATE: u32 = 24_000;
/// Silence for each token of the text: 50 ms.
const SAMPLES: usize = 1200;
/// Bytes of a recording that count as one second.
const SECOND: usize = 32_000;

#[derive(Deserialize)]
#[serde(default)]
struct Speech {
    response_format: String,
    stream_format: String,
}

impl Default for Speech {
    fn default() -> Self {
        Self { response_format: "mp3".to_owned(), stream_format: "audio".to_owned() }
    }
}

/// Answers with silence whose length fits the text, in chunks.
pub(crate) fn speech(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let input = required(turn.ask.input, "input")?;
    let request: Speech =
        serde_json::from_slice(turn.body).map_err(|e| Fault::unreadable(Dialect::OpenAi, &e))?;
    let text: String = serde_json::from_str(input.get())
        .map_err(|_| Fault { param: Some("input".into()), ..Fault::new(400, "Invalid type for 'input'.") })?;
    let tokens = text.len().div_ceil(4).max(1);
    let (content_type, head, piece) = match request.response_format.as_str() {
        "wav" => ("audio/wav", wav_header(tokens), vec![0; SAMPLES * 2]),
        "pcm" => ("audio/pcm", Vec::new(), vec![0; SAMPLES * 2]),
        "mp3" => {
            let mut frame = MP3_HEADER.to_vec();
            frame.resize(MP3_FRAME, 0);
            ("audio/mpeg", Vec::new(), frame)
        }
        other => {
            let message = format!("Invalid value: '{other}'. The simulator makes 'mp3', 'wav' and 'pcm'.");
            return Err(Fault { param: Some("response_format".into()), ..Fault::new(400, message) });
        }
    };
    let mut out = Writer::default();
    if request.stream_format == "sse" {
        let audio = |bytes: &[u8]| json!({"type": "speech.audio.delta", "audio": base64(bytes)}).to_string();
        for _ in 0..tokens {
            out.token("", &[audio(&piece).as_bytes()]);
        }
        out.json(
            "",
            &json!({"type": "speech.audio.done", "usage": {
            "input_tokens": tokens, "output_tokens": tokens, "total_tokens": 2 * tokens}}),
        );
        return Ok(Answer::Events(out.finish()));
    }
    if !head.is_empty() {
        out.bytes(&head);
    }
    for _ in 0..tokens {
        out.bytes(&piece);
    }
    Ok(Answer::Pieces(content_type, out.finish()))
}

fn wav_header(tokens: usize) -> Vec<u8> {
    let data = (tokens * SAMPLES * 2) as u32;
    let mut head = Vec::with_capacity(44);
    head.extend_from_slice(b"RIFF");
    head.extend_from_slice(&(36 + data).to_le_bytes());
    head.extend_from_slice(b"WAVEfmt ");
    head.extend_from_slice(&16u32.to_le_bytes());
    head.extend_from_slice(&1u16.to_le_bytes()); // PCM
    head.extend_from_slice(&1u16.to_le_bytes()); // mono
    head.extend_from_slice(&RATE.to_le_bytes());
    head.extend_from_slice(&(RATE * 2).to_le_bytes());
    head.extend_from_slice(&2u16.to_le_bytes());
    head.extend_from_slice(&16u16.to_le_bytes());
    head.extend_from_slice(b"data");
    head.extend_from_slice(&data.to_le_bytes());
    head
}

/// Answers a transcription (or translation) in the format asked for.
pub(crate) fn transcribe(turn: Turn<'_>) -> Result<Answer, Fault> {
    let form = multipart::parse(turn.headers, turn.body)
        .ok_or_else(|| Fault::new(400, "Invalid multipart form data."))?;
    let missing = |field| Fault::missing(Dialect::OpenAi, field);
    let file = form.part("file").ok_or_else(|| missing("file"))?;
    if turn.model.is_empty() {
        return Err(missing("model"));
    }
    let seconds = file.len().div_ceil(SECOND);
    let text = Text::words(turn.behaviour.tokens.unwrap_or(16), turn.behaviour.unicode);
    // audio is 10 tokens a second
    let (input, output) = (seconds * 10, text.len());
    let usage = json!({"type": "tokens", "input_tokens": input, "output_tokens": output,
        "total_tokens": input + output as usize, "input_token_details": {"audio_tokens": input, "text_tokens": 0}});
    if form.text("stream") == Some("true") {
        let mut out = Writer::default();
        for token in text.tokens() {
            out.token("", &[json!({"type": "transcript.text.delta", "delta": token}).to_string().as_bytes()]);
        }
        out.json("", &json!({"type": "transcript.text.done", "text": text.string, "usage": usage}));
        return Ok(Answer::Events(out.finish()));
    }
    let span = |separator| format!("00:00:00{separator}000 --> 00:00:{:02}{separator}000", seconds.min(59));
    Ok(match form.text("response_format") {
        Some("text") => Answer::Binary("text/plain; charset=utf-8", format!("{}\n", text.string).into()),
        Some("srt") => Answer::Binary(
            "text/plain; charset=utf-8",
            format!("1\n{}\n{}\n\n", span(','), text.string).into(),
        ),
        Some("vtt") => Answer::Binary(
            "text/vtt; charset=utf-8",
            format!("WEBVTT\n\n{}\n{}\n\n", span('.'), text.string).into(),
        ),
        Some("verbose_json") => Answer::json(&json!({"task": "transcribe", "language": "english",
            "duration": seconds, "text": text.string, "segments": [],
            "usage": {"type": "duration", "seconds": seconds}})),
        _ => Answer::json(&json!({"text": text.string, "usage": usage})),
    })
}
