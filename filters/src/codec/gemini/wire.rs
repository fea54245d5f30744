//! The messages of Google's API, as far as they are understood.
//! <https://ai.google.dev/api/generate-content>, <https://ai.google.dev/api/caching#Part>

use super::lenient::{Int, List, Num, Str, wire};
use serde_json::value::RawValue;

wire! {
    /// The body of `generateContent`.
    Request<'a> {
        model: Str<'a> = "model",
        contents: List<Content<'a>> = "contents",
        system: Content<'a> = "systemInstruction" | "system_instruction",
        tools: List<Tool<'a>> = "tools",
        tool_config: ToolConfig<'a> = "toolConfig" | "tool_config",
        config: Config<'a> = "generationConfig" | "generation_config",
        labels: &'a RawValue = "labels",
        service_tier: Str<'a> = "serviceTier" | "service_tier",
    }
}

wire! {
    /// A turn.
    Content<'a> {
        role: Str<'a> = "role",
        parts: List<Part<'a>> = "parts",
    }
}

wire! {
    /// A piece of a turn.
    Part<'a> {
        text: Str<'a> = "text",
        thought: bool = "thought",
        signature: Str<'a> = "thoughtSignature" | "thought_signature",
        inline: Blob<'a> = "inlineData" | "inline_data",
        file: FileData<'a> = "fileData" | "file_data",
        call: FunctionCall<'a> = "functionCall" | "function_call",
        response: FunctionResponse<'a> = "functionResponse" | "function_response",
        code: &'a RawValue = "executableCode" | "executable_code",
        code_result: &'a RawValue = "codeExecutionResult" | "code_execution_result",
        tool_call: &'a RawValue = "toolCall" | "tool_call",
        tool_response: &'a RawValue = "toolResponse" | "tool_response",
        resolution: Resolution<'a> = "mediaResolution" | "media_resolution",
    }
}

wire! {
    /// Bytes.
    Blob<'a> {
        mime: Str<'a> = "mimeType" | "mime_type",
        data: Str<'a> = "data",
        name: Str<'a> = "displayName" | "display_name",
    }
}

wire! {
    /// An address.
    FileData<'a> {
        mime: Str<'a> = "mimeType" | "mime_type",
        uri: Str<'a> = "fileUri" | "file_uri",
        name: Str<'a> = "displayName" | "display_name",
    }
}

wire! {
    /// How closely to look.
    Resolution<'a> {
        level: Str<'a> = "level",
    }
}

wire! {
    /// The model calls a function.
    FunctionCall<'a> {
        id: Str<'a> = "id",
        name: Str<'a> = "name",
        args: &'a RawValue = "args",
        partial: List<PartialArg<'a>> = "partialArgs" | "partial_args",
        will_continue: bool = "willContinue" | "will_continue",
    }
}

wire! {
    /// A piece of streamed arguments (Vertex, `streamFunctionCallArguments`).
    PartialArg<'a> {
        path: Str<'a> = "jsonPath" | "json_path",
        string: Str<'a> = "stringValue" | "string_value",
        number: &'a RawValue = "numberValue" | "number_value",
        boolean: bool = "boolValue" | "bool_value",
        null: &'a RawValue = "nullValue" | "null_value",
    }
}

wire! {
    /// What the function gave back.
    FunctionResponse<'a> {
        id: Str<'a> = "id",
        name: Str<'a> = "name",
        response: &'a RawValue = "response",
        parts: List<Part<'a>> = "parts",
    }
}

wire! {
    /// Tools: functions, and one of each of Google's own.
    Tool<'a> {
        functions: List<Function<'a>> = "functionDeclarations" | "function_declarations",
    }
}

wire! {
    /// A function.
    Function<'a> {
        name: Str<'a> = "name",
        description: Str<'a> = "description",
        parameters: &'a RawValue = "parameters",
        json_schema: &'a RawValue = "parametersJsonSchema" | "parameters_json_schema",
    }
}

wire! {
    /// How to use the tools.
    ToolConfig<'a> {
        calling: Calling<'a> = "functionCallingConfig" | "function_calling_config",
    }
}

wire! {
    /// How to use the functions.
    Calling<'a> {
        mode: Str<'a> = "mode",
        allowed: List<Str<'a>> = "allowedFunctionNames" | "allowed_function_names",
    }
}

wire! {
    /// How to answer.
    Config<'a> {
        max_tokens: Int = "maxOutputTokens" | "max_output_tokens",
        temperature: Num = "temperature",
        top_p: Num = "topP" | "top_p",
        top_k: Int = "topK" | "top_k",
        stop: List<Str<'a>> = "stopSequences" | "stop_sequences",
        n: Int = "candidateCount" | "candidate_count",
        seed: Int = "seed",
        logprobs: bool = "responseLogprobs" | "response_logprobs",
        top_logprobs: Int = "logprobs",
        presence: Num = "presencePenalty" | "presence_penalty",
        frequency: Num = "frequencyPenalty" | "frequency_penalty",
        mime: Str<'a> = "responseMimeType" | "response_mime_type",
        schema: &'a RawValue = "responseSchema" | "response_schema",
        json_schema: &'a RawValue = "responseJsonSchema" | "response_json_schema" | "_responseJsonSchema",
        modalities: List<Str<'a>> = "responseModalities" | "response_modalities",
        thinking: Thinking<'a> = "thinkingConfig" | "thinking_config",
    }
}

wire! {
    /// How to think.
    Thinking<'a> {
        include: bool = "includeThoughts" | "include_thoughts",
        budget: Int = "thinkingBudget" | "thinking_budget",
        level: Str<'a> = "thinkingLevel" | "thinking_level",
    }
}

wire! {
    /// An answer, or a piece of a streamed one, or an error in a stream.
    Response<'a> {
        candidates: List<Candidate<'a>> = "candidates",
        feedback: Feedback<'a> = "promptFeedback" | "prompt_feedback",
        usage: Usage<'a> = "usageMetadata" | "usage_metadata",
        model: Str<'a> = "modelVersion" | "model_version",
        id: Str<'a> = "responseId" | "response_id",
        created: Str<'a> = "createTime" | "create_time",
        error: &'a RawValue = "error",
    }
}

wire! {
    /// One of the answers.
    Candidate<'a> {
        index: Int = "index",
        content: Content<'a> = "content",
        reason: Str<'a> = "finishReason" | "finish_reason",
        message: Str<'a> = "finishMessage" | "finish_message",
        citations: Citations<'a> = "citationMetadata" | "citation_metadata",
        grounding: &'a RawValue = "groundingMetadata" | "grounding_metadata",
        logprobs: Logprobs<'a> = "logprobsResult" | "logprobs_result",
    }
}

wire! {
    /// Why there is no answer.
    Feedback<'a> {
        reason: Str<'a> = "blockReason" | "block_reason",
        message: Str<'a> = "blockReasonMessage" | "block_reason_message",
    }
}

wire! {
    /// Tokens.
    Usage<'a> {
        prompt: Int = "promptTokenCount" | "prompt_token_count",
        cached: Int = "cachedContentTokenCount" | "cached_content_token_count",
        candidates: Int = "candidatesTokenCount" | "candidates_token_count",
        thoughts: Int = "thoughtsTokenCount" | "thoughts_token_count",
        tool_use: Int = "toolUsePromptTokenCount" | "tool_use_prompt_token_count",
        total: Int = "totalTokenCount" | "total_token_count",
        prompt_details: List<Modality<'a>> = "promptTokensDetails" | "prompt_tokens_details",
        candidates_details: List<Modality<'a>> = "candidatesTokensDetails" | "candidates_tokens_details",
        tool_use_details: List<Modality<'a>> = "toolUsePromptTokensDetails" | "tool_use_prompt_tokens_details",
        service_tier: Str<'a> = "serviceTier" | "service_tier",
        traffic: Str<'a> = "trafficType" | "traffic_type",
    }
}

wire! {
    /// Tokens of one kind.
    Modality<'a> {
        kind: Str<'a> = "modality",
        tokens: Int = "tokenCount" | "token_count",
    }
}

wire! {
    /// Recited sources.
    Citations<'a> {
        citations: List<Source<'a>> = "citations" | "citationSources" | "citation_sources",
    }
}

wire! {
    /// A recited source; the offsets count bytes.
    Source<'a> {
        start: Int = "startIndex" | "start_index",
        end: Int = "endIndex" | "end_index",
        uri: Str<'a> = "uri",
        title: Str<'a> = "title",
    }
}

wire! {
    /// What searches found and which words rest on it.
    Grounding<'a> {
        chunks: List<&'a RawValue> = "groundingChunks" | "grounding_chunks",
        supports: List<Support<'a>> = "groundingSupports" | "grounding_supports",
    }
}

wire! {
    /// Words of the answer and what they rest on.
    Support<'a> {
        segment: Segment<'a> = "segment",
        chunks: List<Int> = "groundingChunkIndices" | "grounding_chunk_indices",
    }
}

wire! {
    /// Words of the answer; the offsets count bytes.
    Segment<'a> {
        start: Int = "startIndex" | "start_index",
        end: Int = "endIndex" | "end_index",
        text: Str<'a> = "text",
    }
}

wire! {
    /// Something found.
    Chunk<'a> {
        web: Found<'a> = "web",
        context: Found<'a> = "retrievedContext" | "retrieved_context",
        maps: Found<'a> = "maps",
        image: Found<'a> = "image",
    }
}

wire! {
    /// Where it is.
    Found<'a> {
        uri: Str<'a> = "uri" | "sourceUri" | "source_uri",
        title: Str<'a> = "title",
        text: Str<'a> = "text",
    }
}

wire! {
    /// Log-probabilities.
    Logprobs<'a> {
        chosen: List<Token<'a>> = "chosenCandidates" | "chosen_candidates",
        top: List<Tops<'a>> = "topCandidates" | "top_candidates",
    }
}

wire! {
    /// The alternatives at one place.
    Tops<'a> {
        candidates: List<Token<'a>> = "candidates",
    }
}

wire! {
    /// A token.
    Token<'a> {
        token: Str<'a> = "token",
        logprob: Num = "logProbability" | "log_probability",
    }
}
