//! Everything in crossrank that parses bytes from outside, behind the C ABI of `crossrank_formats.h`.
//!
//! Each module has a safe Rust interface, which its tests use; `ffi` alone touches raw pointers.
#![deny(unsafe_op_in_unsafe_fn)]

mod ffi;
mod fingerprint;
mod json;
mod offsets;
mod safetensors;
mod special_tokens;
mod status;
#[cfg(test)]
mod test_bytes;
mod tokenizer;
