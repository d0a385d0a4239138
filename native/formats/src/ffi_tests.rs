use super::*;
use std::ffi::CStr;

fn error() -> CError {
    CError {
        index: 0,
        message: [b'x'; MESSAGE_BYTES],
    }
}

fn message(error: &CError) -> &str {
    CStr::from_bytes_until_nul(&error.message)
        .unwrap()
        .to_str()
        .unwrap()
}

#[test]
fn a_document_is_read_through_the_c_functions() {
    let json = br#"{"name": "bert", "sizes": [1, 2.5], "on": true}"#;
    let mut document = ptr::null_mut();
    let mut error = error();
    unsafe {
        assert_eq!(
            cr_json_parse(json.as_ptr(), json.len(), &mut document, &mut error),
            Status::Ok
        );
        let root = cr_json_root(document);
        assert_eq!((cr_json_kind_of(root), cr_json_size(root)), (5, 3));
        let sizes = cr_json_member(root, CText::of("sizes"));
        assert_eq!(cr_json_number(cr_json_value(sizes, 1)), 2.5);
        assert_eq!(cr_json_bool(cr_json_member(root, CText::of("on"))), 1);
        let name = cr_json_string(cr_json_member(root, CText::of("name")));
        assert_eq!(slice(name.data, name.size).unwrap(), b"bert");
        assert!(cr_json_member(root, CText::of("none")).is_null());
        assert!(cr_json_value(ptr::null(), 0).is_null());
        assert_eq!(cr_json_kind_of(ptr::null()), 0);
        cr_json_free(document);
    }
}

#[test]
fn null_arguments_are_refused() {
    let mut document = ptr::null_mut();
    let mut error = error();
    unsafe {
        let null = ptr::null();
        assert_eq!(
            cr_json_parse(null, 5, &mut document, &mut error),
            Status::InvalidArgument
        );
        assert_eq!(
            cr_json_parse(null, 0, ptr::null_mut(), &mut error),
            Status::InvalidArgument
        );
        assert_eq!(
            cr_json_parse(null, usize::MAX, &mut document, ptr::null_mut()),
            Status::InvalidArgument
        );
        let (out, texts) = (ptr::null_mut(), ptr::null());
        assert_eq!(
            cr_tokenizer_encode(ptr::null(), texts, 1, 0, out, &mut error),
            Status::InvalidArgument
        );
        assert_eq!(error.index, u64::MAX);
        assert_eq!(
            cr_safetensors_tensor(ptr::null(), 0, ptr::null_mut()),
            Status::InvalidArgument
        );
        cr_json_free(ptr::null_mut());
        cr_tokenizer_free(ptr::null_mut());
        cr_safetensors_free(ptr::null_mut());
        cr_batch_free(ptr::null_mut());
    }
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let mut error = error();
    report(
        &Failure::new(Status::Malformed, "é".repeat(2000)),
        Some(&mut error),
    );
    assert_eq!(message(&error), "é".repeat((MESSAGE_BYTES - 1) / 2));
}

#[test]
fn a_batch_is_freed_once_however_often_it_is_asked() {
    let json = br#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
"pre_tokenizer":{"type":"WhitespaceSplit"},"post_processor":null,"decoder":null,
"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1}}}"#;
    let mut tokenizer = ptr::null_mut();
    let mut error = error();
    unsafe {
        let status = cr_tokenizer_load(json.as_ptr(), json.len(), 0, &mut tokenizer, &mut error);
        assert_eq!(status, Status::Ok, "{}", message(&error));
        let texts = [CText::of("a b a"), CText::EMPTY];
        let mut batch = EMPTY_BATCH;
        let status = cr_tokenizer_encode(tokenizer, texts.as_ptr(), 2, 0, &mut batch, &mut error);
        assert_eq!((status, batch.rows), (Status::Ok, 2));
        assert!(batch.starts.is_null() && batch.ends.is_null());
        assert_eq!(slice(batch.ids, 3).unwrap(), [1, 0, 1]);
        assert_eq!(slice(batch.row_starts, 3).unwrap(), [0, 3, 3]);
        cr_batch_free(&mut batch);
        cr_batch_free(&mut batch);
        let flags = ENCODE_OFFSETS;
        let status = cr_tokenizer_encode(tokenizer, texts.as_ptr(), 2, flags, &mut batch, &mut error);
        assert_eq!(status, Status::Ok, "{}", message(&error));
        assert_eq!(slice(batch.starts, 3).unwrap(), [0, 2, 4]);
        assert_eq!(slice(batch.ends, 3).unwrap(), [1, 3, 5]);
        cr_batch_free(&mut batch);
        assert!(batch.starts.is_null() && batch.ends.is_null());
        let bad = CText {
            data: ptr::null(),
            size: 3,
        };
        let status = cr_tokenizer_encode(tokenizer, [texts[0], bad].as_ptr(), 2, 0, &mut batch, &mut error);
        assert_eq!((status, error.index), (Status::InvalidArgument, 1));
        let (mut pieces, mut count) = (ptr::null(), 0);
        assert_eq!(
            cr_tokenizer_template(tokenizer, 1, &mut pieces, &mut count, &mut error),
            Status::Ok
        );
        assert_eq!((count, cr_tokenizer_vocab_size(tokenizer)), (2, 2));
        cr_tokenizer_free(tokenizer);
    }
}

#[test]
fn a_fingerprint_is_made_through_the_c_function() {
    let (key, mut out) = ([1, 2], [0; 2]);
    unsafe {
        let text = CText::of("planet");
        assert_eq!(cr_fingerprint(key.as_ptr(), text, out.as_mut_ptr()), Status::Ok);
        assert_eq!(out, fingerprint::of(b"planet", key));
        let text = CText {
            data: ptr::null(),
            size: 1,
        };
        let status = cr_fingerprint(key.as_ptr(), text, out.as_mut_ptr());
        assert_eq!(status, Status::InvalidArgument);
        let status = cr_fingerprint(ptr::null(), CText::EMPTY, out.as_mut_ptr());
        assert_eq!(status, Status::InvalidArgument);
    }
}
