// A model's tokenizer.json: texts to token ids, and the layout of special tokens around them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/span.h"
#include "formats/crossrank_formats.h"

namespace crossrank {

struct TemplatePiece {
  enum class Kind { kSpecial, kFirst, kSecond };  // a special token; all tokens of the first or second text
  Kind kind;
  uint32_t id;  // of a special token
  uint32_t type_id;
};

using PairTemplate = std::vector<TemplatePiece>;

// Where tokens lie in their text, in UTF-16 code units, as JavaScript counts; see cr_tokenizer_encode.
struct TokenOffsets {
  Span<const uint32_t> starts, ends;  // [tokens]
};

// The tokens of several texts, without special tokens. Movable; rows stay where they are when it is moved.
class EncodedBatch {
 public:
  EncodedBatch() = default;
  ~EncodedBatch() { cr_batch_free(&batch_); }
  EncodedBatch(EncodedBatch&& other) noexcept;
  EncodedBatch& operator=(EncodedBatch&& other) noexcept;

  size_t rows() const { return batch_.rows; }
  Span<const uint32_t> row(size_t index) const;
  // Where they were asked for.
  TokenOffsets offsets(size_t index) const;

 private:
  friend class Tokenizer;
  cr_batch batch_ = {};
};

// Immutable: any number of threads may call it at once. Movable.
class Tokenizer {
 public:
  // With `literal_special_tokens`, a text that spells a special token is ordinary text.
  // Throws kModelNotFound, kModelInvalid or kModelUnsupported, naming the file.
  static Tokenizer Load(const std::string& path, bool literal_special_tokens);

  // Runs on the calling thread. Throws kInvalidArgument for a text that is not UTF-8 or has 4 GiB or more,
  // kRuntime for one that the tokenizer cannot encode; both name the text by its index.
  EncodedBatch Encode(const std::string_view* texts, size_t count, bool with_offsets = false) const;

  // The layout of a pair. Throws kModelUnsupported when the file asks for one that is not special tokens
  // around the first and then the second text.
  PairTemplate pair_template() const;
  // The layout of a single text: that of a pair that has no query, so the text is the second.
  PairTemplate text_template() const;

 private:
  struct Free {
    void operator()(cr_tokenizer* tokenizer) const { cr_tokenizer_free(tokenizer); }
  };
  PairTemplate ReadTemplate(bool pair) const;
  Tokenizer(cr_tokenizer* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  std::unique_ptr<cr_tokenizer, Free> handle_;
  std::string path_;
};

}  // namespace crossrank
