// The weights of a model folder: one safetensors file, or several with an index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/mapped_file.h"

namespace crossrank {

enum class DType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64, kOther };

struct Tensor {
  std::string name;
  DType dtype;             // kOther is refused by whoever needs the values
  std::string dtype_name;  // as the file spells it
  std::vector<int64_t> shape;
  const uint8_t* data;  // in the mapped file; not aligned by promise
  size_t bytes;         // shape times size of the type: checked
};

// Movable. Tensors and their data stay where they are when it is moved.
class TensorSet {
 public:
  // Takes model.safetensors, else the shards that model.safetensors.index.json names.
  // Throws kModelNotFound (no weights, or a shard is missing) or kModelInvalid; both name the file.
  static TensorSet Open(const std::string& folder);

  const Tensor* Find(std::string_view name) const;  // nullptr when there is none
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::vector<MappedFile>& files() const { return files_; }  // at least one
  // See MappedFile::ReleasePages.
  void ReleasePages() const noexcept;

 private:
  TensorSet() = default;
  void AddFile(MappedFile file);
  void OpenShards(const std::string& folder, const MappedFile& index);
  void IndexNames();

  std::vector<MappedFile> files_;
  std::vector<Tensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;  // keys point into tensors_
};

}  // namespace crossrank
