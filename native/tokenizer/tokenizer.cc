#include "tokenizer/tokenizer.h"

#include <utility>

#include "common/error.h"
#include "common/mapped_file.h"
#include "formats/formats_error.h"

namespace crossrank {

EncodedBatch::EncodedBatch(EncodedBatch&& other) noexcept : batch_(std::exchange(other.batch_, {})) {}

EncodedBatch& EncodedBatch::operator=(EncodedBatch&& other) noexcept {
  std::swap(batch_, other.batch_);
  return *this;
}

Span<const uint32_t> EncodedBatch::row(size_t index) const {
  const uint64_t begin = batch_.row_starts[index];
  return {batch_.ids + begin, static_cast<size_t>(batch_.row_starts[index + 1] - begin)};
}

TokenOffsets EncodedBatch::offsets(size_t index) const {
  const uint64_t begin = batch_.row_starts[index];
  const auto size = static_cast<size_t>(batch_.row_starts[index + 1] - begin);
  return {{batch_.starts + begin, size}, {batch_.ends + begin, size}};
}

Tokenizer Tokenizer::Load(const std::string& path, bool literal_special_tokens) {
  const MappedFile file(path);
  const uint32_t flags = literal_special_tokens ? CR_TOKENIZER_LITERAL_SPECIAL_TOKENS : 0;
  cr_tokenizer* handle = nullptr;
  cr_error error;
  ThrowIfUnreadable(cr_tokenizer_load(file.data(), file.size(), flags, &handle, &error), error, path);
  return Tokenizer(handle, path);
}

EncodedBatch Tokenizer::Encode(const std::string_view* texts, size_t count, bool with_offsets) const {
  std::vector<cr_text> views;
  views.reserve(count);
  for (size_t i = 0; i < count; i++) views.push_back(ToText(texts[i]));
  EncodedBatch out;
  cr_error error;
  const uint32_t flags = with_offsets ? CR_ENCODE_OFFSETS : 0;
  const cr_status status =
      cr_tokenizer_encode(handle_.get(), views.data(), count, flags, &out.batch_, &error);
  if (status == CR_OK) return out;
  const bool callers_fault = status == CR_INVALID_UTF8 || status == CR_INVALID_ARGUMENT;
  const std::string text = error.index == CR_NO_INDEX ? "" : ": text " + std::to_string(error.index);
  throw Error(callers_fault ? ErrorCode::kInvalidArgument : ErrorCode::kRuntime,
              path_ + text + ": " + error.message);
}

PairTemplate Tokenizer::pair_template() const { return ReadTemplate(true); }

PairTemplate Tokenizer::text_template() const { return ReadTemplate(false); }

PairTemplate Tokenizer::ReadTemplate(bool pair) const {
  const cr_piece* pieces = nullptr;
  size_t count = 0;
  cr_error error;
  ThrowIfUnreadable(cr_tokenizer_template(handle_.get(), pair ? 1 : 0, &pieces, &count, &error), error,
                    path_);
  PairTemplate out;
  for (const cr_piece& piece : Span<const cr_piece>(pieces, count)) {
    using Kind = TemplatePiece::Kind;
    const Kind kind = piece.kind == CR_PIECE_SPECIAL     ? Kind::kSpecial
                      : pair && piece.kind == CR_PIECE_A ? Kind::kFirst
                                                         : Kind::kSecond;
    out.push_back({kind, piece.id, piece.type_id});
  }
  return out;
}

}  // namespace crossrank
