// A failed call of the C ABI as the core's exception.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "formats/crossrank_formats.h"

namespace crossrank {

inline cr_text ToText(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline std::string_view ToView(cr_text text) { return {reinterpret_cast<const char*>(text.data), text.size}; }

// Does nothing when `status` is CR_OK. `subject` is the file that was read.
inline void ThrowIfUnreadable(cr_status status, const cr_error& error, const std::string& subject) {
  if (status == CR_OK) return;
  const ErrorCode code = status == CR_UNSUPPORTED ? ErrorCode::kModelUnsupported : ErrorCode::kModelInvalid;
  throw Error(code, subject + ": " + error.message);
}

}  // namespace crossrank
