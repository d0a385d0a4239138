// A view of contiguous values, as std::span in C++20.
#pragma once

#include <cstddef>
#include <vector>

namespace crossrank {

template <class T>
class Span {
 public:
  Span() = default;
  Span(T* data, size_t size) : data_(data), size_(size) {}
  template <class U>
  Span(std::vector<U>& values) : data_(values.data()), size_(values.size()) {}
  template <class U>
  Span(const std::vector<U>& values) : data_(values.data()), size_(values.size()) {}

  T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t index) const { return data_[index]; }
  T* begin() const { return data_; }
  T* end() const { return data_ + size_; }
  Span subspan(size_t offset, size_t count) const { return {data_ + offset, count}; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace crossrank
