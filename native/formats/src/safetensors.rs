//! The header of a safetensors file: names, shapes and places of its tensors.

use crate::status::{Failure, Status};
use ::safetensors::tensor::{SafeTensorError, SafeTensors};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::Deserialize;
use std::collections::HashSet;

#[derive(Debug)]
pub struct Tensor {
    pub name: String,
    pub dtype: String,
    pub dims: Vec<i64>,
    /// Counted from the start of the file; `begin <= end <= file size`.
    pub begin: u64,
    pub end: u64,
}

const LENGTH_BYTES: usize = 8;

/// Reads the header at the start of `file` (the whole file) and checks it against the file's size.
pub fn read(file: &[u8]) -> Result<Vec<Tensor>, Failure> {
    let (header_size, metadata) =
        SafeTensors::read_metadata(file).map_err(|error| malformed(&explain(&error, file)))?;
    let data_start = LENGTH_BYTES + header_size;
    refuse_duplicate_names(&file[LENGTH_BYTES..data_start])?;
    let mut tensors = Vec::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        let place = |offset: usize| data_start.checked_add(offset).filter(|end| *end <= file.len());
        let dims: Result<Vec<i64>, _> = info.shape.iter().map(|dim| i64::try_from(*dim)).collect();
        let (Some(begin), Some(end), Ok(dims)) =
            (place(info.data_offsets.0), place(info.data_offsets.1), dims)
        else {
            return Err(malformed(&format!(
                "tensor \"{name}\" has a shape or place that is out of range"
            )));
        };
        tensors.push(Tensor {
            dtype: info.dtype.to_string(),
            dims,
            begin: begin as u64,
            end: end as u64,
            name,
        });
    }
    Ok(tensors)
}

fn malformed(reason: &str) -> Failure {
    Failure::new(
        Status::Malformed,
        format!("not a valid safetensors file: {reason}; download the file again"),
    )
}

/// One full sentence for each way in which the crate refuses a file.
fn explain(error: &SafeTensorError, file: &[u8]) -> String {
    use SafeTensorError::*;
    let size = file.len();
    let stated = file
        .first_chunk::<LENGTH_BYTES>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    match error {
        HeaderTooSmall => format!("it is truncated: {size} bytes cannot even hold the length of a header"),
        HeaderTooLarge => format!("it states a header of {stated} bytes, but 100,000,000 is the most a header may have"),
        InvalidHeaderLength => {
            format!("it is truncated: it states a header of {stated} bytes, but has only {size} bytes in all")
        }
        InvalidHeader(reason) => format!("its header is not UTF-8 text ({reason})"),
        InvalidHeaderDeserialization(reason) | JsonError(reason) => {
            format!("its header is not the JSON of a safetensors header ({reason})")
        }
        InvalidOffset(name) => {
            format!("tensor \"{name}\" overlaps another tensor, leaves a gap before it, or ends before it begins")
        }
        TensorInvalidInfo => "a tensor's shape and data type do not give the number of bytes it has".into(),
        ValidationOverflow => "a tensor's shape is too large for any memory".into(),
        MisalignedSlice => "a tensor of a data type below one byte does not end on a whole byte".into(),
        MetadataIncompleteBuffer => format!(
            "its tensors do not end where the file ends ({size} bytes): it is truncated, or something was appended"
        ),
        other => format!("its header was refused: {other}"),
    }
}

/// The crate reads the header into a map, where a second tensor of the same name would silently replace the first.
fn refuse_duplicate_names(header: &[u8]) -> Result<(), Failure> {
    struct Names(Option<String>);
    struct NamesVisitor;

    impl<'de> Visitor<'de> for NamesVisitor {
        type Value = Names;

        fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
            formatter.write_str("an object of tensors")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
            let mut seen = HashSet::new();
            let mut twice = None;
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(name.clone()) {
                    twice.get_or_insert(name);
                }
            }
            Ok(Names(twice))
        }
    }

    impl<'de> Deserialize<'de> for Names {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(NamesVisitor)
        }
    }

    match serde_json::from_slice::<Names>(header) {
        Ok(Names(None)) => Ok(()),
        Ok(Names(Some(name))) => Err(malformed(&format!("it has two tensors named \"{name}\""))),
        Err(error) => Err(malformed(&format!("its header is not valid JSON ({error})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::guard;
    use crate::test_bytes::mutations;

    fn file(header: &str, data_size: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.resize(bytes.len() + data_size, 7);
        bytes
    }

    fn refusal(bytes: &[u8]) -> String {
        let failure = guard(|| read(bytes)).unwrap_err();
        assert_eq!(failure.status, Status::Malformed);
        assert!(
            failure.message.ends_with("download the file again"),
            "{}",
            failure.message
        );
        failure.message
    }

    const HEADER: &str = r#"{"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;

    #[test]
    fn tensors_come_in_the_order_of_their_bytes() {
        let tensors = read(&file(HEADER, 16)).unwrap();
        let start = 8 + HEADER.len() as u64;
        assert_eq!(tensors.len(), 2);
        assert_eq!((tensors[0].name.as_str(), tensors[0].dims.len()), ("a", 0));
        assert_eq!(
            (tensors[1].dtype.as_str(), tensors[1].dims.as_slice()),
            ("F16", &[2i64, 3][..])
        );
        assert_eq!((tensors[1].begin, tensors[1].end), (start + 4, start + 16));
    }

    #[test]
    fn each_kind_of_damage_has_its_sentence() {
        assert!(refusal(b"").contains("truncated"));
        assert!(refusal(b"\x01\0\0").contains("truncated"));
        assert!(refusal(&file(HEADER, 16)[..40]).contains("truncated"));
        assert!(refusal(&file(HEADER, 15)).contains("truncated"));
        assert!(refusal(&u64::MAX.to_le_bytes()).contains("18446744073709551615"));
        assert!(refusal(&file("{\"\u{e9}", 0)).contains("JSON"));
        assert!(refusal(b"\x02\0\0\0\0\0\0\0\xff\xff").contains("UTF-8"));
        assert!(refusal(&file(&"[".repeat(100_000), 0)).contains("JSON"));
        let tensor = |shape: &str, dtype: &str, begin: u64, end: u64| {
            format!(r#"{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{begin},{end}]}}"#)
        };
        let one = |t: String| file(&format!(r#"{{"t":{t}}}"#), 4);
        assert!(refusal(&one(tensor("1", "X99", 0, 4))).contains("X99"));
        assert!(refusal(&one(tensor("2", "F32", 0, 4))).contains("shape"));
        assert!(refusal(&one(tensor("1", "F32", 4, 0))).contains("\"t\""));
        assert!(refusal(&one(tensor("1", "F32", 0, u64::MAX))).contains("shape"));
        assert!(refusal(&one(tensor("4294967296,4294967296", "F32", 0, 4))).contains("too large"));
        assert!(refusal(&one(tensor("-1", "F32", 0, 4))).contains("JSON"));
        let overlap = format!(
            r#"{{"a":{},"b":{}}}"#,
            tensor("1", "F32", 0, 4),
            tensor("1", "F32", 2, 6)
        );
        assert!(refusal(&file(&overlap, 6)).contains("overlaps"));
        let duplicate = format!(r#"{{"a":{0},"a":{0}}}"#, tensor("1", "F32", 0, 4));
        assert!(refusal(&file(&duplicate, 4)).contains("two tensors named \"a\""));
        let huge_empty = format!(r#"{{"a":{}}}"#, tensor("0,18446744073709551615", "F32", 0, 0));
        assert!(refusal(&file(&huge_empty, 0)).contains("out of range"));
    }

    #[test]
    fn mutated_files_never_panic_and_never_point_outside() {
        let original = file(HEADER, 16);
        for bytes in mutations(&original, 6000) {
            match guard(|| read(&bytes)) {
                Ok(tensors) => assert!(tensors
                    .iter()
                    .all(|t| t.begin <= t.end && t.end <= bytes.len() as u64)),
                Err(failure) => assert_eq!(failure.status, Status::Malformed, "{}", failure.message),
            }
        }
    }
}
