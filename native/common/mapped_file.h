// A whole file, mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace crossrank {

// Movable; the address of the bytes stays when it is moved. The file must not be shortened while it is
// mapped: the system ends a process that reads beyond the new end. Files of model caches are replaced, never
// rewritten.
class MappedFile {
 public:
  // Follows symbolic links (Hugging Face caches are made of them). `path` is UTF-8.
  // Throws kModelNotFound, naming the path, when it is missing, not a regular file, empty or unreadable.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  const std::string& path() const { return path_; }  // resolved

  // Gives the resident pages back to the system; they come from the file again when they are read.
  void ReleasePages() const noexcept;

 private:
  void Unmap() noexcept;

  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace crossrank
