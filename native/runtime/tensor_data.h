// The memory of a tensor, through the API of 1.18: the C++ wrapper's const accessors call functions that
// older libraries do not have, beyond the end of their table.
#pragma once

#include "runtime/library.h"

namespace crossrank {

template <class T>
const T* TensorData(const Ort::ConstValue& value) {
  void* data = nullptr;
  Ort::ThrowOnError(
      Ort::GetApi().GetTensorMutableData(const_cast<OrtValue*>(static_cast<const OrtValue*>(value)), &data));
  return static_cast<const T*>(data);
}

}  // namespace crossrank
