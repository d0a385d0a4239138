use super::*;
use crate::status::guard;
use crate::test_bytes::mutations;

/// Added tokens 0 unknown, 1 start, 2 end; the end token also stands in the vocabulary, as in real files.
fn file(model: &str, pre_tokenizer: &str, tokens: [&str; 3]) -> String {
    let [_, start, end] = tokens;
    let added: Vec<String> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| {
            format!(
                r#"{{"id":{id},"content":"{token}","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}}"#
            )
        })
        .collect();
    format!(
        r#"{{"version":"1.0",
"truncation":{{"direction":"Right","max_length":2,"strategy":"LongestFirst","stride":0}},
"padding":{{"strategy":{{"Fixed":9}},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"x"}},
"added_tokens":[{}],"normalizer":null,"pre_tokenizer":{pre_tokenizer},
"post_processor":{{"type":"BertProcessing","sep":["{end}",2],"cls":["{start}",1]}},
"decoder":null,"model":{model}}}"#,
        added.join(",")
    )
}

/// What each token of a text is made of.
fn slices(handle: &Handle, text: &str) -> Vec<String> {
    let batch = handle
        .encode([text.as_bytes()].into_iter(), ENCODE_OFFSETS)
        .unwrap();
    assert_eq!(batch.ids, ids(handle, text));
    let units: Vec<u16> = text.encode_utf16().collect();
    let ranges = batch.starts.iter().zip(&batch.ends);
    ranges
        .map(|(start, end)| String::from_utf16(&units[*start as usize..*end as usize]).unwrap())
        .collect()
}

const WHITESPACE: &str = r#"{"type":"WhitespaceSplit"}"#;
const BERT: &str = r#"{"type":"BertPreTokenizer"}"#;

fn word_piece(pre_tokenizer: &str) -> String {
    let model = r###"{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
"vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"b":4,"##b":5,"[":6,"SEP":7,"]":8,"##]":9}}"###;
    file(model, pre_tokenizer, ["[UNK]", "[CLS]", "[SEP]"])
}

fn bpe() -> String {
    let model = r#"{"type":"BPE","dropout":0.5,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,
"byte_fallback":false,"ignore_merges":true,"vocab":{"<u>":0,"<s>":1,"</s>":2,"a":3,"b":4,"ab":5,"<":6,"/":7,"s":8,">":9,"/s":10},
"merges":[["a","b"],["/","s"]]}"#;
    file(model, WHITESPACE, ["<u>", "<s>", "</s>"])
}

fn unigram() -> String {
    let model = r#"{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<u>",0.0],["<s>",0.0],["</s>",0.0],
["a",-1.0],["b",-2.0],["ab",-2.5],["▁",-1.5],["<",-3.0],["/s>",-4.0],["s",-5.0]]}"#;
    let metaspace = r#"{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":false}"#;
    file(model, metaspace, ["<u>", "<s>", "</s>"])
}

fn load(json: &str, flags: u32) -> Handle {
    Handle::load(json.as_bytes(), flags).unwrap_or_else(|failure| panic!("{}", failure.message))
}

fn ids(handle: &Handle, text: &str) -> Vec<u32> {
    handle.encode([text.as_bytes()].into_iter(), 0).unwrap().ids
}

fn refusal(json: &[u8]) -> Failure {
    match guard(|| Handle::load(json, 0)) {
        Ok(_) => panic!("it was accepted"),
        Err(failure) => failure,
    }
}

#[test]
fn a_batch_gives_flat_ids_and_row_starts() {
    let handle = load(&word_piece(BERT), 0);
    let batch = handle
        .encode(["a b ab", "", "zz"].map(str::as_bytes).into_iter(), 0)
        .unwrap();
    assert_eq!(batch.ids, [3, 4, 3, 5, 0]);
    assert_eq!(batch.row_starts, [0, 4, 4, 5]);
    assert_eq!(handle.encode(std::iter::empty(), 0).unwrap().row_starts, [0]);
}

#[test]
fn stored_truncation_padding_and_dropout_do_not_touch_the_ids() {
    let handle = load(&bpe(), 0);
    for _ in 0..50 {
        assert_eq!(ids(&handle, "ab ab ab"), [5, 5, 5]);
    }
}

#[test]
fn special_tokens_are_recognised_unless_they_are_literal() {
    assert_eq!(ids(&load(&word_piece(BERT), 0), "a[SEP]b"), [3, 2, 4]);
    assert_eq!(ids(&load(&bpe(), 0), "a</s>"), [3, 2]);
    assert_eq!(ids(&load(&unigram(), 0), "a</s>"), [6, 3, 2]);
}

#[test]
fn literal_special_tokens_are_ordinary_text_for_every_model() {
    let literal = |json: String, text: &str| ids(&load(&json, LITERAL_SPECIAL_TOKENS), text);
    assert_eq!(literal(word_piece(BERT), "a[SEP]b"), [3, 6, 7, 8, 4]);
    // The pre-tokenizer leaves `[SEP]` whole and the vocabulary has it: the model alone would give 2.
    assert_eq!(literal(word_piece(WHITESPACE), "a [SEP] b"), [3, 6, 7, 9, 4]);
    assert_eq!(literal(bpe(), "ab </s>"), [5, 6, 10, 9]);
    assert_eq!(literal(unigram(), "a</s>ab"), [6, 3, 7, 8, 5]);
    assert_eq!(literal(unigram(), "</s></s>"), [6, 7, 8, 7, 8]);
}

#[test]
fn offsets_tell_where_tokens_lie() {
    let handle = load(&word_piece(BERT), 0);
    assert_eq!(slices(&handle, " a ab 👍b[SEP]"), ["a", "a", "b", "👍b", "[SEP]"]);
    assert_eq!(slices(&load(&bpe(), 0), "é ab b"), ["ab", "b"]);
    let plain = handle.encode([b"a b".as_slice()].into_iter(), 0).unwrap();
    assert!(plain.starts.is_empty() && plain.ends.is_empty());
}

#[test]
fn offsets_of_a_normalized_text_refer_to_the_original() {
    let nfkc = r#""normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"}]}"#;
    let handle = load(&word_piece(BERT).replace(r#""normalizer":null"#, nfkc), 0);
    // ㏔ is "mb", İ is two characters in lower case, ª is "a".
    assert_eq!(slices(&handle, "ª ㏔ İ Ａ𝐁"), ["ª", "㏔", "İ", "Ａ", "𝐁"]);
}

#[test]
fn offsets_of_literal_special_tokens_are_those_of_their_parts() {
    let literal = |json: String, text: &str| slices(&load(&json, LITERAL_SPECIAL_TOKENS), text);
    assert_eq!(literal(word_piece(BERT), "a[SEP]b"), ["a", "[", "SEP", "]", "b"]);
    assert_eq!(
        literal(word_piece(WHITESPACE), "👍 [SEP] b"),
        ["👍", "[", "SEP", "]", "b"]
    );
    assert_eq!(literal(bpe(), "ab </s>"), ["ab", "<", "/s", ">"]);
    assert_eq!(literal(unigram(), "a</s>ab")[1..], ["a", "<", "/s>", "ab"]);
}

#[test]
fn a_special_token_of_one_character_becomes_unknown() {
    let json = unigram().replace("</s>", "§");
    assert_eq!(ids(&load(&json, LITERAL_SPECIAL_TOKENS), "a§"), [6, 3, 0]);
}

#[test]
fn many_literal_special_tokens_take_linear_work() {
    let handle = load(&unigram(), LITERAL_SPECIAL_TOKENS);
    let encoded = ids(&handle, &"</s>".repeat(50_000));
    assert_eq!(encoded.len(), 1 + 2 * 50_000);
    assert!(encoded.iter().all(|id| *id != 2));
}

#[test]
fn templates_are_read_from_the_post_processor() {
    let special = |id, type_id| Piece {
        kind: PieceKind::Special,
        id,
        type_id,
    };
    let text = |kind, type_id| Piece { kind, id: 0, type_id };
    let handle = load(&word_piece(BERT), LITERAL_SPECIAL_TOKENS);
    let single = [special(1, 0), text(PieceKind::A, 0), special(2, 0)];
    assert_eq!(handle.template(false).unwrap(), single);
    let pair = [
        single[0],
        single[1],
        single[2],
        text(PieceKind::B, 1),
        special(2, 1),
    ];
    assert_eq!(handle.template(true).unwrap(), pair);
}

#[test]
fn a_template_is_found_when_the_first_probes_give_no_token() {
    // Unigram without an unknown piece cannot encode "a" and "b" here, BPE without one drops them.
    let json = bpe()
        .replace(r#""a":3,"b":4,"ab":5"#, r#""1":3,"2":4,"12":5"#)
        .replace(r#"["a","b"]"#, r#"["1","2"]"#);
    assert_eq!(load(&json, 0).template(true).unwrap().len(), 5);
}

#[test]
fn an_unusual_template_is_refused_when_it_is_asked_for() {
    let swapped = r#""post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}],
"pair":[{"Sequence":{"id":"B","type_id":0}},{"Sequence":{"id":"A","type_id":1}}],"special_tokens":{}}"#;
    let json = word_piece(BERT);
    let begin = json.find("\"post_processor\"").unwrap();
    let end = json.find(",\n\"decoder\"").unwrap();
    let handle = load(&format!("{}{swapped}{}", &json[..begin], &json[end..]), 0);
    assert_eq!(handle.template(false).unwrap().len(), 1);
    let failure = handle.template(true).unwrap_err();
    assert_eq!(failure.status, Status::Unsupported);
    assert!(failure.message.contains("[B, A]"), "{}", failure.message);
    assert_eq!(ids(&handle, "a"), [3]);
}

#[test]
fn a_text_that_fails_is_named_and_the_handle_stays_usable() {
    let handle = load(&word_piece(BERT), 0);
    let texts: [&[u8]; 3] = [b"a", b"b", b"\xff"];
    let failure = handle.encode(texts.into_iter(), 0).unwrap_err();
    assert_eq!((failure.status, failure.index), (Status::InvalidUtf8, Some(2)));
    assert_eq!(ids(&handle, "a"), [3]);
    // A Unigram model without an unknown piece.
    let handle = load(&unigram().replace(r#""unk_id":0"#, r#""unk_id":null"#), 0);
    let failure = handle
        .encode(["a", "z"].map(str::as_bytes).into_iter(), 0)
        .unwrap_err();
    assert_eq!((failure.status, failure.index), (Status::Encode, Some(1)));
    assert_eq!(ids(&handle, "a"), [6, 3]);
}

#[test]
fn one_handle_serves_several_threads_with_equal_ids() {
    let handle = load(&unigram(), LITERAL_SPECIAL_TOKENS);
    let text = "ab b a </s> zz ".repeat(50);
    let expected = ids(&handle, &text);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(ids(&handle, &text), expected)));
        }
    });
}

#[test]
fn vocabulary_and_tokens_can_be_looked_up() {
    let handle = load(&word_piece(BERT), 0);
    assert_eq!(handle.vocab_size(), 10);
    assert_eq!(
        (handle.token_to_id("[SEP]"), handle.token_to_id("zz")),
        (Some(2), None)
    );
}

#[test]
fn hostile_files_are_refused() {
    let valid = word_piece(BERT);
    let deep = format!(r#"{{"model":{}"#, "[".repeat(200_000));
    let deep_sequence = format!(
        r#"{{"type":"Sequence","pretokenizers":[{}"#,
        r#"{"type":"Sequence","pretokenizers":["#.repeat(500)
    );
    let groups = format!(
        r#"{{"type":"Split","pattern":{{"Regex":"{}a{}"}},"behavior":"Isolated","invert":false}}"#,
        "(?=".repeat(50_000),
        ")".repeat(50_000)
    );
    let hostile = [
        String::new(),
        "null".into(),
        "{}".into(),
        valid[..valid.len() / 2].into(),
        deep,
        file("{}", &deep_sequence, ["a", "b", "c"]),
        file(
            r#"{"type":"Unigram","unk_id":7,"vocab":[["a",0.0]]}"#,
            BERT,
            ["a", "b", "c"],
        ),
        file(
            r#"{"type":"Unigram","unk_id":0,"vocab":[]}"#,
            BERT,
            ["a", "b", "c"],
        ),
        word_piece(&groups),
    ];
    for json in hostile {
        let failure = refusal(json.as_bytes());
        assert_eq!(failure.status, Status::Malformed, "{}", failure.message);
    }
    assert_eq!(refusal(b"{\"model\": \"\xff\"}").status, Status::Malformed);
}

#[test]
fn a_piece_long_enough_to_overflow_the_stack_is_refused() {
    let json = unigram().replace("\"ab\"", &format!("\"{}\"", "a".repeat(4_000_000)));
    assert!(refusal(json.as_bytes()).message.contains("the limit is 1024"));
    let json = unigram().replace("\"ab\"", &format!("\"{}\"", "a".repeat(MAX_PIECE_BYTES)));
    assert_eq!(ids(&load(&json, 0), "a"), [6, 3]);
}

#[test]
fn a_bad_charsmap_that_panics_inside_the_crate_is_contained() {
    let with_charsmap = |map: &str| {
        let normalizer = format!(r#""normalizer":{{"type":"Precompiled","precompiled_charsmap":"{map}"}}"#);
        unigram().replace(r#""normalizer":null"#, &normalizer)
    };
    for map in ["", "AAAA", "/////w==", "AQAAAAA=", "BAAAAAAAAAAA", "BAAAAP////8="] {
        match guard(|| Handle::load(with_charsmap(map).as_bytes(), 0)) {
            Ok(handle) => {
                let _ = guard(|| handle.encode(["a b"].map(str::as_bytes).into_iter(), 0));
            }
            Err(failure) => assert!(matches!(failure.status, Status::Malformed | Status::Panic)),
        }
    }
    let panics = guard(|| Handle::load(with_charsmap("/////w==").as_bytes(), 0).map(drop)).unwrap_err();
    assert_eq!(panics.status, Status::Panic, "{}", panics.message);
    assert_eq!(ids(&load(&unigram(), 0), "a"), [6, 3]);
}

#[test]
fn mutated_files_always_give_a_status() {
    let mut accepted = 0;
    for valid in [word_piece(BERT), bpe(), unigram()] {
        for (round, bytes) in mutations(valid.as_bytes(), 1500).enumerate() {
            let flags = (round % 2) as u32;
            let Ok(handle) = guard(|| Handle::load(&bytes, flags)) else {
                continue;
            };
            accepted += 1;
            let texts = ["ab </s> [SEP] é中", "", "\u{0}\u{ffff}"];
            let _ = guard(|| {
                let batch = handle.encode(texts.map(str::as_bytes).into_iter(), ENCODE_OFFSETS)?;
                assert!(batch.starts.len() == batch.ids.len() && batch.ends.len() == batch.ids.len());
                Ok(())
            });
        }
    }
    assert!(
        accepted > 100,
        "only {accepted} mutations were loaded: the encoder was hardly tried"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn loading_and_encoding_start_no_thread() {
    // In a process of its own, because the test runner has threads: the count is compared around the work.
    if std::env::var_os("CROSSRANK_COUNT_THREADS").is_none() {
        let name = "tokenizer::tests::loading_and_encoding_start_no_thread";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1"])
            .env("CROSSRANK_COUNT_THREADS", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let handle = load(&unigram(), LITERAL_SPECIAL_TOKENS);
    for text in ["ab ".repeat(10_000), "</s>".repeat(1000)] {
        ids(&handle, &text);
    }
    assert_eq!(threads(), before);
}
