// A lock on a file's name that the system takes back when its holder ends, however that comes about: a file
// with a process id would outlive a killed process, and in a container the next one has the same id.
#pragma once

#include <memory>
#include <string>

namespace crossrank {

class FileLock {
 public:
  // Makes the file where there is none. Null where the lock is held: by another process, or in this one, in
  // any thread. Throws std::system_error where the file cannot be made or locked.
  static std::unique_ptr<FileLock> TryAcquire(const std::string& path);

  // Removes the file.
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
#ifdef _WIN32
  explicit FileLock(void* file) : file_(file) {}
  void* file_;
#else
  FileLock(std::string path, int file) : path_(std::move(path)), file_(file) {}
  std::string path_;
  int file_;
#endif
};

}  // namespace crossrank
