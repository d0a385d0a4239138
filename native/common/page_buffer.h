// Memory in whole pages that can be given back while its address stays valid.
#pragma once

#include <cstddef>

namespace crossrank {

class PageBuffer {
 public:
  explicit PageBuffer(size_t bytes);  // throws std::bad_alloc
  ~PageBuffer();
  PageBuffer(PageBuffer&& other) noexcept;
  PageBuffer& operator=(PageBuffer&&) = delete;

  void* data() const { return data_; }
  // The content is gone and reads as zeros, or as anything where the system has no such call; writing is
  // allowed.
  void Release() const noexcept;

 private:
  void* data_;
  size_t bytes_;
};

}  // namespace crossrank
