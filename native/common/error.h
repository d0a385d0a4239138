// The one exception type of the core. It never leaves native/: the addon turns it into a coded JavaScript
// error.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace crossrank {

// Names equal the `code` of the JavaScript error (lib/errors.ts).
enum class ErrorCode {
  kInvalidArgument,   // ERR_INVALID_ARGUMENT
  kModelNotFound,     // ERR_MODEL_NOT_FOUND
  kModelInvalid,      // ERR_MODEL_INVALID
  kModelUnsupported,  // ERR_MODEL_UNSUPPORTED
  kPrecision,         // ERR_PRECISION
  kQueueFull,         // ERR_QUEUE_FULL
  kTimeout,           // ERR_TIMEOUT
  kAborted,           // ERR_ABORTED: lib/ rejects with the signal's reason instead
  kMemory,            // ERR_MEMORY
  kClosed,            // ERR_CLOSED
  kRuntime,           // ERR_RUNTIME
};

const char* ErrorCodeName(ErrorCode code) noexcept;

class Error : public std::runtime_error {
 public:
  // Figures that a program can act on; they become properties of the JavaScript error.
  using Details = std::vector<std::pair<std::string, double>>;

  Error(ErrorCode code, const std::string& message, Details details = {})
      : std::runtime_error(message), code_(code), details_(std::move(details)) {}
  ErrorCode code() const noexcept { return code_; }
  const Details& details() const noexcept { return details_; }

 private:
  ErrorCode code_;
  Details details_;
};

// What is being handled in a catch block, as an Error: ours as it is, any other exception as kRuntime.
Error CurrentError();

}  // namespace crossrank
