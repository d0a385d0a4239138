//! The C ABI. `crossrank_formats.h` says what each function promises; here is only the crossing of the boundary.
//!
//! Safety, for every function: pointers are NULL or valid for what the header says they point to, and an object
//! is not freed while another thread reads it. NULL is checked where a status can tell of it.

use crate::fingerprint;
use crate::json::Node;
use crate::safetensors::{self, Tensor};
use crate::status::{guard, Failure, Status};
use crate::tokenizer::{Batch, Handle, Piece, ENCODE_OFFSETS};
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

const ABI: u32 = 2;
const MESSAGE_BYTES: usize = 1016;

#[repr(C)]
pub struct CError {
    index: u64,
    message: [u8; MESSAGE_BYTES],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct CText {
    data: *const u8,
    size: usize,
}

#[repr(C)]
pub struct CBatch {
    ids: *const u32,
    starts: *const u32,
    ends: *const u32,
    row_starts: *const u64,
    rows: usize,
    owner: *mut c_void,
}

#[repr(C)]
pub struct CTensor {
    name: CText,
    dtype: CText,
    dims: *const i64,
    rank: usize,
    begin: u64,
    end: u64,
}

impl CText {
    const EMPTY: CText = CText {
        data: ptr::null(),
        size: 0,
    };

    fn of(text: &str) -> Self {
        CText {
            data: text.as_ptr(),
            size: text.len(),
        }
    }
}

/// # Safety
/// `data` is NULL or points to `size` readable values that outlive `'a`.
unsafe fn slice<'a, T>(data: *const T, size: usize) -> Result<&'a [T], Failure> {
    if size == 0 {
        return Ok(&[]);
    }
    if data.is_null() || size > isize::MAX as usize / size_of::<T>() {
        return Err(null_argument());
    }
    Ok(unsafe { std::slice::from_raw_parts(data, size) })
}

fn null_argument() -> Failure {
    Failure::new(
        Status::InvalidArgument,
        "a pointer is NULL or a size out of range",
    )
}

fn report(failure: &Failure, error: Option<&mut CError>) {
    let Some(error) = error else { return };
    let text = failure.message.as_bytes();
    let mut size = text.len().min(MESSAGE_BYTES - 1);
    while !failure.message.is_char_boundary(size) {
        size -= 1;
    }
    error.index = failure.index.unwrap_or(u64::MAX);
    error.message[..size].copy_from_slice(&text[..size]);
    error.message[size] = 0;
}

/// Runs `work` guarded and stores its object.
///
/// # Safety
/// `out` and `error` are NULL or valid for writing.
unsafe fn make<T>(out: *mut *mut T, error: *mut CError, work: impl FnOnce() -> Result<T, Failure>) -> Status {
    let error = unsafe { error.as_mut() };
    let Some(out) = (unsafe { out.as_mut() }) else {
        report(&null_argument(), error);
        return Status::InvalidArgument;
    };
    *out = ptr::null_mut();
    match guard(|| work().map(Box::new)) {
        Ok(object) => {
            *out = Box::into_raw(object);
            Status::Ok
        }
        Err(failure) => {
            report(&failure, error);
            failure.status
        }
    }
}

/// # Safety
/// `object` is NULL or came from `Box::into_raw` and is not used again.
unsafe fn free<T>(object: *mut T) {
    if !object.is_null() {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unsafe { Box::from_raw(object) })));
    }
}

#[no_mangle]
pub extern "C" fn cr_formats_abi() -> u32 {
    ABI
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_tokenizer_load(
    json: *const u8,
    size: usize,
    flags: u32,
    out: *mut *mut Handle,
    error: *mut CError,
) -> Status {
    unsafe { make(out, error, || Handle::load(slice(json, size)?, flags)) }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_tokenizer_free(tokenizer: *mut Handle) {
    unsafe { free(tokenizer) }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_tokenizer_encode(
    tokenizer: *const Handle,
    texts: *const CText,
    count: usize,
    flags: u32,
    out: *mut CBatch,
    error: *mut CError,
) -> Status {
    // The handle is shared between threads here; this fails to compile if it ever stops being safe to.
    const fn shareable<T: Sync>() {}
    const { shareable::<Handle>() };

    let error = unsafe { error.as_mut() };
    let outcome = guard(|| {
        let (Some(tokenizer), false) = (unsafe { tokenizer.as_ref() }, out.is_null()) else {
            return Err(null_argument());
        };
        let texts = unsafe { slice(texts, count)? };
        let texts: Result<Vec<&[u8]>, Failure> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| unsafe { slice(text.data, text.size) }.map_err(|failure| failure.at(index)))
            .collect();
        tokenizer.encode(texts?.into_iter(), flags).map(Box::new)
    });
    match outcome {
        Ok(batch) => {
            let offsets = |of: &Vec<u32>| match flags & ENCODE_OFFSETS {
                0 => ptr::null(),
                _ => of.as_ptr(),
            };
            let view = CBatch {
                ids: batch.ids.as_ptr(),
                starts: offsets(&batch.starts),
                ends: offsets(&batch.ends),
                row_starts: batch.row_starts.as_ptr(),
                rows: count,
                owner: Box::into_raw(batch).cast(),
            };
            unsafe { out.write(view) };
            Status::Ok
        }
        Err(failure) => {
            if !out.is_null() {
                unsafe { out.write(EMPTY_BATCH) };
            }
            report(&failure, error);
            failure.status
        }
    }
}

const EMPTY_BATCH: CBatch = CBatch {
    ids: ptr::null(),
    starts: ptr::null(),
    ends: ptr::null(),
    row_starts: ptr::null(),
    rows: 0,
    owner: ptr::null_mut(),
};

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_batch_free(batch: *mut CBatch) {
    if let Some(batch) = unsafe { batch.as_mut() } {
        let owner = std::mem::replace(batch, EMPTY_BATCH).owner;
        unsafe { free(owner.cast::<Batch>()) };
    }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_tokenizer_template(
    tokenizer: *const Handle,
    pair: i32,
    pieces: *mut *const Piece,
    count: *mut usize,
    error: *mut CError,
) -> Status {
    let error = unsafe { error.as_mut() };
    let outcome = guard(
        || match unsafe { (tokenizer.as_ref(), pieces.as_mut(), count.as_mut()) } {
            (Some(tokenizer), Some(pieces), Some(count)) => {
                let template = tokenizer.template(pair != 0)?;
                *pieces = template.as_ptr();
                *count = template.len();
                Ok(())
            }
            _ => Err(null_argument()),
        },
    );
    match outcome {
        Ok(()) => Status::Ok,
        Err(failure) => {
            report(&failure, error);
            failure.status
        }
    }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_tokenizer_vocab_size(tokenizer: *const Handle) -> usize {
    unsafe { tokenizer.as_ref() }.map_or(0, Handle::vocab_size)
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_tokenizer_token_to_id(
    tokenizer: *const Handle,
    token: CText,
    id: *mut u32,
) -> i32 {
    let found = guard(|| {
        let (Some(tokenizer), false) = (unsafe { tokenizer.as_ref() }, id.is_null()) else {
            return Err(null_argument());
        };
        let token = std::str::from_utf8(unsafe { slice(token.data, token.size)? });
        Ok(token.ok().and_then(|token| tokenizer.token_to_id(token)))
    });
    match found {
        Ok(Some(value)) => {
            unsafe { id.write(value) };
            1
        }
        _ => 0,
    }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_parse(
    json: *const u8,
    size: usize,
    out: *mut *mut Node,
    error: *mut CError,
) -> Status {
    unsafe { make(out, error, || Node::parse(slice(json, size)?)) }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_free(document: *mut Node) {
    unsafe { free(document) }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_root(document: *const Node) -> *const Node {
    document
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_kind_of(node: *const Node) -> i32 {
    match unsafe { node.as_ref() } {
        None | Some(Node::Null) => 0,
        Some(Node::Bool(_)) => 1,
        Some(Node::Number(_)) => 2,
        Some(Node::String(_)) => 3,
        Some(Node::Array(_)) => 4,
        Some(Node::Object(_)) => 5,
    }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_size(node: *const Node) -> usize {
    unsafe { node.as_ref() }.map_or(0, Node::size)
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_value(node: *const Node, index: usize) -> *const Node {
    unsafe { node.as_ref() }
        .and_then(|node| node.value(index))
        .map_or(ptr::null(), ptr::from_ref)
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_key(node: *const Node, index: usize) -> CText {
    unsafe { node.as_ref() }
        .and_then(|node| node.key(index))
        .map_or(CText::EMPTY, CText::of)
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_member(node: *const Node, key: CText) -> *const Node {
    let Ok(key) = (unsafe { slice(key.data, key.size) }) else {
        return ptr::null();
    };
    unsafe { node.as_ref() }
        .and_then(|node| node.member(key))
        .map_or(ptr::null(), ptr::from_ref)
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_number(node: *const Node) -> f64 {
    match unsafe { node.as_ref() } {
        Some(Node::Number(number)) => *number,
        _ => 0.0,
    }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_bool(node: *const Node) -> i32 {
    i32::from(matches!(unsafe { node.as_ref() }, Some(Node::Bool(true))))
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_json_string(node: *const Node) -> CText {
    match unsafe { node.as_ref() } {
        Some(Node::String(text)) => CText::of(text),
        _ => CText::EMPTY,
    }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_safetensors_open(
    file: *const u8,
    size: usize,
    out: *mut *mut Vec<Tensor>,
    error: *mut CError,
) -> Status {
    unsafe { make(out, error, || safetensors::read(slice(file, size)?)) }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_safetensors_free(file: *mut Vec<Tensor>) {
    unsafe { free(file) }
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_safetensors_count(file: *const Vec<Tensor>) -> usize {
    unsafe { file.as_ref() }.map_or(0, Vec::len)
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_safetensors_tensor(
    file: *const Vec<Tensor>,
    index: usize,
    out: *mut CTensor,
) -> Status {
    let tensor = unsafe { file.as_ref() }.and_then(|tensors| tensors.get(index));
    let (Some(tensor), false) = (tensor, out.is_null()) else {
        return Status::InvalidArgument;
    };
    let view = CTensor {
        name: CText::of(&tensor.name),
        dtype: CText::of(&tensor.dtype),
        dims: tensor.dims.as_ptr(),
        rank: tensor.dims.len(),
        begin: tensor.begin,
        end: tensor.end,
    };
    unsafe { out.write(view) };
    Status::Ok
}

/// # Safety
/// See the top of this file.
#[no_mangle]
pub unsafe extern "C" fn cr_fingerprint(key: *const u64, text: CText, out: *mut u64) -> Status {
    if out.is_null() {
        return Status::InvalidArgument;
    }
    let made = guard(|| unsafe {
        let &[first, second] = slice(key, 2)? else {
            return Err(null_argument());
        };
        Ok(fingerprint::of(slice(text.data, text.size)?, [first, second]))
    });
    match made {
        Ok(fingerprint) => {
            unsafe { out.cast::<[u64; 2]>().write(fingerprint) };
            Status::Ok
        }
        Err(failure) => failure.status,
    }
}

#[cfg(test)]
#[path = "ffi_tests.rs"]
mod tests;
