// A growing, 64-byte aligned float buffer without initialisation, for kernel workspaces.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace crossrank {

class AlignedBuffer {
 public:
  float* Reserve(size_t floats) {
    if (floats > size_) {
      data_.reset();
      size_ = 0;
      data_.reset(static_cast<float*>(::operator new(floats * sizeof(float), kAlignment)));
      size_ = floats;
    }
    return data_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(float* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<float, Delete> data_;
  size_t size_ = 0;
};

}  // namespace crossrank
