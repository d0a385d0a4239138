// The one exception type of the core. It never leaves native/: the addon turns it into a coded JavaScript
// error.
#pragma once

#include <stdexcept>
#include <string>

namespace crossrank {

// Names equal the `code` of the JavaScript error (lib/errors.ts).
enum class ErrorCode {
  kInvalidArgument,   // ERR_INVALID_ARGUMENT
  kModelNotFound,     // ERR_MODEL_NOT_FOUND
  kModelInvalid,      // ERR_MODEL_INVALID
  kModelUnsupported,  // ERR_MODEL_UNSUPPORTED
  kPrecision,         // ERR_PRECISION
  kMemory,            // ERR_MEMORY
  kClosed,            // ERR_CLOSED
  kRuntime,           // ERR_RUNTIME
};

const char* ErrorCodeName(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

// What is being handled in a catch block, as an Error: ours as it is, any other exception as kRuntime.
Error CurrentError();

}  // namespace crossrank
