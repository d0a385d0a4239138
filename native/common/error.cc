#include "common/error.h"

namespace crossrank {

const char* ErrorCodeName(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "ERR_INVALID_ARGUMENT";
    case ErrorCode::kModelNotFound:
      return "ERR_MODEL_NOT_FOUND";
    case ErrorCode::kModelInvalid:
      return "ERR_MODEL_INVALID";
    case ErrorCode::kModelUnsupported:
      return "ERR_MODEL_UNSUPPORTED";
    case ErrorCode::kPrecision:
      return "ERR_PRECISION";
    case ErrorCode::kQueueFull:
      return "ERR_QUEUE_FULL";
    case ErrorCode::kTimeout:
      return "ERR_TIMEOUT";
    case ErrorCode::kAborted:
      return "ERR_ABORTED";
    case ErrorCode::kMemory:
      return "ERR_MEMORY";
    case ErrorCode::kClosed:
      return "ERR_CLOSED";
    case ErrorCode::kRuntime:
      return "ERR_RUNTIME";
  }
  return "ERR_RUNTIME";
}

Error CurrentError() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return Error(ErrorCode::kRuntime, error.what());
  } catch (...) {
    return Error(ErrorCode::kRuntime, "unknown error");
  }
}

}  // namespace crossrank
