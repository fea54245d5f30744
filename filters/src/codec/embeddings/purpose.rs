//! What vectors are for: the same few purposes in the words of Google (`taskType`,
//! <https://ai.google.dev/gemini-api/docs/embeddings#task-types>) and of Cohere (`input_type`,
//! <https://docs.cohere.com/reference/embed>), whose words compatible servers use, too.

/// Google's word and Cohere's. Of several of Google's for one of Cohere's the first is the one that comes back.
const WORDS: [(&str, &str); 7] = [
    ("RETRIEVAL_QUERY", "search_query"),
    ("RETRIEVAL_DOCUMENT", "search_document"),
    ("CLASSIFICATION", "classification"),
    ("CLUSTERING", "clustering"),
    // They look for documents with another kind of question.
    ("QUESTION_ANSWERING", "search_query"),
    ("FACT_VERIFICATION", "search_query"),
    ("CODE_RETRIEVAL_QUERY", "search_query"),
];

/// Words of Google's that others have none for.
const GOOGLE_ONLY: [&str; 1] = ["SEMANTIC_SIMILARITY"];

/// Other servers' words for two of Cohere's (Voyage, Jina, NVIDIA).
fn plain(word: &str) -> &str {
    match word {
        "query" => "search_query",
        "document" | "passage" => "search_document",
        other => other,
    }
}

/// Google's word for a purpose in anybody's words.
pub fn google(word: &str) -> Option<&'static str> {
    let word = plain(word);
    let found = WORDS.iter().find(|(google, cohere)| *google == word || *cohere == word);
    found.map(|(google, _)| *google).or_else(|| GOOGLE_ONLY.into_iter().find(|g| *g == word))
}

/// Cohere's word for a purpose in anybody's words.
pub fn cohere(word: &str) -> Option<&'static str> {
    let word = plain(word);
    WORDS.iter().find(|(google, cohere)| *google == word || *cohere == word).map(|(_, cohere)| *cohere)
}

/// Google's word for "none in particular".
pub fn is_unspecified(word: &str) -> bool {
    word.is_empty() || word == "TASK_TYPE_UNSPECIFIED"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both() {
        for (word, g, c) in [
            ("search_query", Some("RETRIEVAL_QUERY"), Some("search_query")),
            ("passage", Some("RETRIEVAL_DOCUMENT"), Some("search_document")),
            ("FACT_VERIFICATION", Some("FACT_VERIFICATION"), Some("search_query")),
            ("SEMANTIC_SIMILARITY", Some("SEMANTIC_SIMILARITY"), None),
            ("nonsense", None, None),
        ] {
            assert_eq!((google(word), cohere(word)), (g, c), "{word}");
        }
        assert!(is_unspecified("TASK_TYPE_UNSPECIFIED") && !is_unspecified("query"));
    }
}
