//! `decode ∘ encode = identity` on the canonical form; a stream means what the whole answer means.

use crate::support::{client, collect, decode, encode, events, in_order, stop};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use sallyport_filters::codec::StreamDecoder;
use sallyport_filters::codec::gemini::{self, Decoder, Framing, Options, Platform};
use sallyport_filters::ir::block::{
    Block, Body, Citation, Media, ServerKind, Source, Thinking, ToolCall, ToolResult,
};
use sallyport_filters::ir::reply::{Choice, Tokens, Usage};
use sallyport_filters::ir::settings::{Effort, Format, Reasoning, Settings};
use sallyport_filters::ir::tool::{Tool, ToolBody, ToolChoice};
use sallyport_filters::ir::{
    Conversation, Losses, Message, Origin, Raw, Reply, Role, Signature, Spot, StopReason,
};

fn raw(text: &str) -> Raw {
    Raw::parse(text).unwrap()
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![".{1,20}", "[a-zäß€😀\"\\\\\n ]{1,20}"]
}

fn seal() -> impl Strategy<Value = Option<Signature>> {
    of("[A-Za-z0-9+/]{4,12}".prop_map(|s| Signature::new(Origin::Google, s)))
}

fn object() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"a":1.50,"b":[null,"x"],"a b":{"c":12345678901234567890}}"#.to_owned()),
        words().prop_map(|w| serde_json::json!({ "w": w }).to_string()),
    ]
}

fn media() -> impl Strategy<Value = Body> {
    let source = prop_oneof![
        Just(Source::Base64("AAEC".into())),
        Just(Source::Url("https://example.com/x".into())),
        Just(Source::File { origin: Origin::Google, id: "gs://bucket/x".into() }),
    ];
    let detail = of(prop_oneof![Just("low"), Just("medium"), Just("high")]);
    (0..4u8, source, of("[a-z]{1,5}"), detail).prop_map(|(kind, source, name, detail)| {
        let mime = ["image/png", "application/pdf", "audio/wav", "video/mp4"][kind as usize];
        let (mime, detail) = (Some(mime.to_owned()), detail.map(str::to_owned));
        let m = Media { mime, source, name, detail, context: None, citations: false };
        match kind {
            0 => Body::Image(m),
            1 => Body::Document(m),
            2 => Body::Audio(m),
            _ => Body::Video(m),
        }
    })
}

fn text() -> impl Strategy<Value = Body> {
    (words(), seal()).prop_map(|(text, signature)| Body::Text { text, citations: Vec::new(), signature })
}

fn thought() -> impl Strategy<Value = Body> {
    (words(), seal())
        .prop_map(|(text, signature)| Body::Thinking(Thinking { text, signature, ..Thinking::default() }))
}

fn server() -> impl Strategy<Value = Body> {
    let code = Body::Server {
        kind: ServerKind::CodeExecution,
        origin: Origin::Google,
        raw: raw(r#"{"executableCode":{"language":"PYTHON","code":"1"},"thoughtSignature":"AAAA"}"#),
    };
    let opaque =
        Body::Opaque { origin: Origin::Google, name: "newThing".into(), raw: raw(r#"{"newThing":{"x":1}}"#) };
    prop_oneof![Just(code), Just(opaque)]
}

fn outcome() -> impl Strategy<Value = (Vec<Body>, bool)> {
    let said = prop_oneof![
        words().prop_filter("an object would be the outcome itself", |w| !w.trim().starts_with('{')),
        object().prop_filter("says nothing", |o| o != "{}"),
    ];
    (of(said), vec(media(), 0..2), any::<bool>()).prop_map(|(said, media, error)| {
        (said.map(|s| Block::text(s).body).into_iter().chain(media).collect(), error)
    })
}

/// A turn of the user, then one of the model's, with the results of its calls at the beginning of the next.
type Turn = (Vec<Body>, Vec<Body>, Vec<(String, String, Option<Signature>, Vec<Body>, bool)>);

fn turn() -> impl Strategy<Value = Turn> {
    let call = ("[a-z_]{1,9}", object(), seal(), outcome()).prop_map(|(n, a, s, (o, e))| (n, a, s, o, e));
    (
        vec(prop_oneof![text(), media()], 1..3),
        vec(prop_oneof![text(), thought(), media(), server()], 1..3),
        vec(call, 0..3),
    )
}

fn messages() -> impl Strategy<Value = Vec<Message>> {
    (of(vec(words(), 1..3)), vec(turn(), 1..3)).prop_map(|(system, turns)| {
        let blocks = |b: Vec<Body>| b.into_iter().map(Block::new).collect::<Vec<_>>();
        let mut out = Vec::new();
        if let Some(s) = system {
            out.push(Message::new(Role::System, s.into_iter().map(Block::text).collect()));
        }
        let (mut results, mut n) = (Vec::new(), 0);
        for (user, model, calls) in turns {
            let mut said: Vec<Block> = std::mem::take(&mut results);
            said.extend(blocks(user));
            out.push(Message::new(Role::User, said));
            let mut said = blocks(model);
            // An unsigned thought is a piece of the next one.
            said.dedup_by(|b, a| match (&a.body, &b.body) {
                (Body::Thinking(a), Body::Thinking(_)) => a.signature.is_none(),
                _ => false,
            });
            for (name, arguments, signature, content, is_error) in calls {
                n += 1;
                let id = format!("c{n}");
                let name_too = Some(name.clone());
                let call = ToolCall { id: id.clone(), name, arguments, signature, ..ToolCall::default() };
                said.push(Block::new(Body::ToolCall(call)));
                let content = blocks(content);
                let result =
                    ToolResult { call_id: id, name: name_too, content, is_error, ..ToolResult::default() };
                results.push(Block::new(Body::ToolResult(result)));
            }
            out.push(Message::new(Role::Assistant, said));
        }
        if !results.is_empty() {
            out.push(Message::new(Role::User, results));
        }
        out
    })
}

fn tools() -> impl Strategy<Value = (Vec<Tool>, Option<ToolChoice>)> {
    let function = ("[a-z]{1,9}", of("[a-z]{1,9}"), of(object()));
    let choice = prop_oneof![
        Just((None, false)),
        Just((Some(ToolChoice::Auto), false)),
        Just((Some(ToolChoice::Auto), true)),
        Just((Some(ToolChoice::None), false)),
        Just((Some(ToolChoice::Required), false)),
        Just((Some(ToolChoice::Named("f".into())), false)),
        Just((Some(ToolChoice::Allowed { names: vec!["f".into(), "g".into()], required: true }), false)),
        Just((Some(ToolChoice::Allowed { names: vec!["f".into()], required: false }), true)),
    ];
    (vec(function, 1..3), any::<bool>(), choice).prop_map(|(functions, search, (choice, strict))| {
        let tool = |name: String, description, body| Tool {
            name,
            description,
            body,
            cache: None,
            extra: Vec::new(),
            at: Spot::default(),
        };
        let mut out: Vec<Tool> = functions
            .into_iter()
            .map(|(n, d, p)| {
                let parameters = p.map(|p| raw(&p));
                tool(n, d, ToolBody::Function { parameters, strict: strict.then_some(true) })
            })
            .collect();
        if search {
            let raw = raw(r#"{"googleSearch":{}}"#);
            let body = ToolBody::Server { kind: ServerKind::WebSearch, origin: Origin::Google, raw };
            out.push(tool("googleSearch".into(), None, body));
        }
        (out, choice)
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    let float = || of((-16i32..16).prop_map(|n| f64::from(n) / 8.0));
    let format = prop_oneof![
        Just(Format::Text),
        Just(Format::JsonObject),
        object().prop_map(|o| Format::JsonSchema {
            name: None,
            description: None,
            schema: raw(&o),
            strict: None
        }),
    ];
    let think = prop_oneof![
        Just(Reasoning { adaptive: true, ..Reasoning::default() }),
        (1..30_000u32).prop_map(|b| Reasoning { budget: Some(b), ..Reasoning::default() }),
        prop_oneof![Just(Effort::Minimal), Just(Effort::Low), Just(Effort::Medium), Just(Effort::High)]
            .prop_map(|e| Reasoning { effort: Some(e), ..Reasoning::default() }),
    ];
    let shown = of(prop_oneof![Just("auto"), Just("omitted")]);
    let reasoning = of((think, shown).prop_map(|(r, s)| Reasoning { summary: s.map(str::to_owned), ..r }));
    (
        (of(0..1u64 << 40), float(), float(), of(0..100u64), vec(words(), 0..3)),
        (of(1..9u32), of(any::<i32>()), of(any::<bool>()), of(0..20u32), float(), float()),
        (reasoning, of(format), any::<bool>(), 0..3u8, vec(("[a-z]{1,5}", "[a-z0-9_-]{0,5}"), 0..2)),
    )
        .prop_map(
            |((max, t, p, k, stop), (n, seed, l, top, pp, fp), (reasoning, format, stream, m, labels))| {
                Settings {
                    max_tokens: max,
                    temperature: t,
                    top_p: p,
                    top_k: k,
                    stop,
                    n,
                    seed: seed.map(i64::from),
                    logprobs: l,
                    top_logprobs: top,
                    presence_penalty: pp,
                    frequency_penalty: fp,
                    reasoning,
                    format,
                    stream,
                    modalities: [vec![], vec!["image".to_owned()], vec!["audio".to_owned()]][m as usize]
                        .clone(),
                    metadata: labels,
                    ..Settings::default()
                }
            },
        )
}

fn citation(range: bool) -> impl Strategy<Value = Citation> {
    ("[a-z]{1,6}", of("[a-z ]{1,6}"), any::<bool>()).prop_map(move |(uri, title, quoted)| {
        let url = format!("https://{uri}");
        let text = quoted.then(|| "quoted".to_owned());
        let mut inner = serde_json::json!({ "uri": url });
        if let Some(t) = &title {
            inner["title"] = t.as_str().into();
        }
        if let Some(t) = &text {
            inner["text"] = t.as_str().into();
        }
        let chunk = serde_json::json!({ if quoted { "retrievedContext" } else { "web" }: inner });
        Citation {
            url: Some(url),
            title,
            cited_text: text,
            range: range.then_some((0, 2)),
            raw: Some((Origin::Google, raw(&chunk.to_string()))),
        }
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    let foreign = words().prop_map(|text| {
        let signature = Signature { id: Some("rs_1".into()), ..Signature::new(Origin::OpenAi, "gAAA=") };
        Body::Thinking(Thinking { text, signature: Some(signature), ..Thinking::default() })
    });
    let call =
        ("[a-z_]{1,9}", object(), seal(), "[a-z0-9]{1,9}").prop_map(|(name, arguments, signature, id)| {
            Body::ToolCall(ToolCall { id, name, arguments, signature, ..ToolCall::default() })
        });
    let image = |url| {
        Body::Image(Media {
            mime: Some("image/png".into()),
            source: Source::Base64(url),
            name: None,
            detail: None,
            context: None,
            citations: false,
        })
    };
    let picture = seal().prop_map(move |s| {
        let seal = s.map(|s| Body::Thinking(Thinking { signature: Some(s), ..Thinking::default() }));
        seal.into_iter().chain([image("AAEC".to_owned())]).collect::<Vec<_>>()
    });
    let one = |s: BoxedStrategy<Body>| s.prop_map(|b| vec![b]).boxed();
    let block = prop_oneof![
        one(text().boxed()),
        one(thought().boxed()),
        one(foreign.boxed()),
        one(call.boxed()),
        picture.boxed(),
        one(server().boxed()),
    ];
    let last = of((words(), vec(citation(true), 0..3), vec(citation(false), 0..2), seal()));
    let odd = of(prop_oneof![
        Just((StopReason::MaxTokens, None)),
        Just((StopReason::ContentFilter, None)),
        Just((StopReason::ContentFilter, Some("RECITATION"))),
        Just((StopReason::BadToolCall, None)),
        Just((StopReason::Other, Some("LANGUAGE"))),
    ]);
    (vec(block, 1..4), last, odd, of("[a-z]{1,9}"), any::<bool>()).prop_map(
        |(blocks, last, odd, detail, logprobs)| {
            let mut content: Vec<Block> = blocks.into_iter().flatten().map(Block::new).collect();
            if let Some((text, mut citations, loose, signature)) = last {
                let known = |c: &Citation, all: &[Citation]| all.iter().any(|o| o.raw == c.raw);
                for c in loose {
                    if !known(&c, &citations) {
                        citations.push(c);
                    }
                }
                let mut unique: Vec<Citation> = Vec::new();
                for c in citations {
                    if !known(&c, &unique) {
                        unique.push(c);
                    }
                }
                // Words that nothing else says.
                let text = format!("\u{1}\u{2}{text}");
                content.push(Block::new(Body::Text { text, citations: unique, signature }));
            }
            // Neighbours that would flow together.
            content.dedup_by(|b, a| match (&a.body, &b.body) {
                (Body::Text { signature: None, .. }, Body::Text { .. }) => true,
                (Body::Thinking(a), Body::Thinking(_)) => a.signature.is_none(),
                _ => false,
            });
            let calls = content.iter().any(|b| matches!(b.body, Body::ToolCall(_)));
            let usual = (if calls { StopReason::ToolUse } else { StopReason::End }, None);
            let (reason, word) = odd.unwrap_or(usual);
            let word = word.map(str::to_owned);
            let stop = Some(sallyport_filters::ir::Stop { word, detail, ..stop(reason) });
            let token = r#"[{"token":"ä","logprob":-0.5,"bytes":[195,164],"top_logprobs":
                [{"token":"b","logprob":-1.5,"bytes":[98]}]}]"#;
            Choice { content, stop, logprobs: logprobs.then(|| raw(token)) }
        },
    )
}

fn tokens() -> impl Strategy<Value = Tokens> {
    (0..1u64 << 40, 0..9u64, 0..1u64 << 40, 0..9u64, 0..9u64).prop_map(|(input, part, output, r, audio)| {
        Tokens {
            usage: Usage {
                input: input + 9,
                cached_input: part,
                output: output + r + 9,
                reasoning: r,
                ..Usage::default()
            },
            audio_input: audio,
            audio_output: part,
            estimated: false,
        }
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let blocked = Reply {
        blocked: Some(sallyport_filters::ir::Stop {
            word: Some("JAILBREAK".into()),
            detail: Some("no".into()),
            ..stop(StopReason::ContentFilter)
        }),
        ..Reply::default()
    };
    let usual = vec(choice(), 1..3).prop_map(|choices| Reply { choices, ..Reply::default() });
    (prop_oneof![9 => usual, 1 => Just(blocked)], of(tokens()), any::<bool>()).prop_map(
        |(r, tokens, tier)| Reply {
            id: "r1".into(),
            model: "alias".into(),
            service_tier: tokens.filter(|_| tier).map(|_| "flex".into()),
            tokens,
            ..r
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn requests(messages in messages(), (tools, tool_choice) in tools(), settings in settings()) {
        let model = "m".to_owned();
        let c = Conversation { model, messages, tools, tool_choice, settings, extra: Vec::new() };
        let mut losses = Losses::default();
        let body = gemini::encode_request(&c, "gemini-3-flash", &Options::of(Platform::Vertex), &mut losses);
        prop_assert_eq!(&losses, &Losses::default());
        let again = gemini::decode_request(&body, "m", c.settings.stream).unwrap();
        prop_assert_eq!(again, c, "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn replies(r in reply()) {
        let body = gemini::encode_reply(&r, &client());
        let text = String::from_utf8_lossy(&body);
        prop_assert_eq!(&gemini::decode_reply(&body).unwrap(), &r, "{}", text);
        // The whole answer as the only event of a stream.
        let events = decode(&format!("data: {text}\r\n\r\n"));
        prop_assert_eq!(&collect(events), &r);
    }

    #[test]
    fn streams(r in reply()) {
        let told = events(&r);
        in_order(&told);
        let sse = encode(&told, Framing::Sse);
        prop_assert_eq!(&collect(decode(&sse)), &r, "{}", sse);
        let array = encode(&told, Framing::Array);
        prop_assert_eq!(&gemini::decode_reply(array.as_bytes()).unwrap(), &r, "{}", array);
    }

    /// Whatever the bytes, nothing panics.
    #[test]
    fn nonsense(body in prop_oneof![
        vec(any::<u8>(), 0..60),
        (request_like(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut b, at, by)| {
            let at = at.index(b.len());
            b[at] = by;
            b
        }),
    ]) {
        let c = gemini::decode_request(&body, "m", true);
        if let Ok(c) = &c {
            for options in [Options::default(), Options { json_schema: false, ..Options::of(Platform::Vertex) }] {
                gemini::encode_request(c, "gemini-2.5-pro", &options, &mut Losses::default());
            }
        }
        let _ = gemini::decode_count_request(&body, "m");
        let _ = gemini::decode_embed_request(&body);
        let _ = gemini::decode_embed_reply(&body);
        let _ = gemini::decode_count_reply(&body);
        let _ = gemini::parse_error(&body);
        if let Ok(r) = gemini::decode_reply(&body) {
            gemini::encode_reply(&r, &client());
            encode(&events(&r), Framing::Sse);
        }
        let mut out = Vec::new();
        let mut d = Decoder::new();
        let _ = d.event(b"", &body, &mut out);
        let _ = d.event(b"", &body, &mut out);
        d.finish(&mut out);
    }
}

fn request_like() -> impl Strategy<Value = Vec<u8>> {
    let request = r##"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":"b"}},"thoughtSignature":"AAAA"},{"inlineData":{"mimeType":"image/png","data":"AA=="}}]},{"parts":{"functionResponse":{"name":"f","response":{"output":"x"},"parts":[{"fileData":{"fileUri":"gs://x"}}]}}}],"tools":[{"function_declarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"any_of":[{"type":"NULL"}],"nullable":true}}}}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":-1},"responseSchema":{"$ref":"#/a"},"responseMimeType":"application/json","maxOutputTokens":"5"}}"##;
    let reply = r#"{"candidates":[{"index":0,"content":{"parts":[{"text":"aäb"},{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a[0].b","stringValue":"x"}],"willContinue":true}}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"startIndex":1,"endIndex":2,"text":"ä"},"groundingChunkIndices":[0]}]},"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}]}}],"usageMetadata":{"promptTokenCount":1},"responseId":"x","createTime":"2026-01-01T00:00:00Z"}"#;
    prop_oneof![Just(request.as_bytes().to_vec()), Just(reply.as_bytes().to_vec())]
}
