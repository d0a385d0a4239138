// Checkpoint tensors as graph initializers: checked against the config, mapped where they are fp32, converted
// where not.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/cancellation.h"
#include "kernels/kernels.h"
#include "kernels/pack_linear.h"
#include "model/graph_writer.h"
#include "model/safetensors.h"

namespace crossrank {

class WeightReader {
 public:
  // A tensor whose name starts with `prefix` is looked for without it, too. `cancellation` ends, with
  // kClosed, what converts and packs tensors.
  WeightReader(const TensorSet& tensors, std::string prefix, const Cancellation& cancellation)
      : tensors_(tensors), prefix_(std::move(prefix)), cancellation_(cancellation) {}

  bool Has(const std::string& name) const { return Find(name) != nullptr; }

  // A file that the weights lie in.
  const std::string& file() const { return tensors_.files().front().path(); }

  // A Linear weight [rows, columns] or a vector [size] in fp32.
  Initializer Matrix(const std::string& name, size_t rows, size_t columns);
  Initializer Vector(const std::string& name, size_t size);

  // A function that packs the Linear `module` [rows, columns] as the outputs of `linear` from `first` on, and
  // its bias with it where `with_bias`. It throws kModelInvalid, naming the tensor, for a number that is not
  // finite.
  std::function<void()> Packing(const std::string& module, size_t rows, size_t columns, bool with_bias,
                                kernels::PackedLinear& linear, size_t first);

  // An embedding table stays in the type of the file; `scales` is empty unless that is int8.
  struct Table {
    Initializer values;
    Initializer scales;
    bool has_scales = false;
  };
  Table EmbeddingTable(const std::string& name, size_t rows, size_t columns);

  // LayerNorm has been saved as weight and bias, and as gamma and beta in checkpoints converted from
  // TensorFlow.
  Initializer Gamma(const std::string& module, size_t size);
  Initializer Beta(const std::string& module, size_t size);

  // Parameters and bytes that the initializers handed out so far hold in memory.
  size_t parameters() const { return parameters_; }
  size_t bytes() const { return bytes_; }
  // Of these, bytes that are converted beside the file, and again beside what ONNX Runtime packs of them.
  size_t converted_bytes() const { return converted_bytes_; }
  void CountPacked(size_t bytes) { bytes_ += bytes; }

 private:
  const Tensor* Find(const std::string& name) const;
  const Tensor& Require(const std::string& name, const std::vector<int64_t>& shape) const;
  const Tensor& RequireScale(const std::string& name, size_t rows) const;
  // A tensor as rows that to_float takes; `copy` holds them where the file's are not aligned.
  kernels::RowTable Rows(const Tensor& tensor, size_t rows, std::vector<uint8_t>& copy) const;
  Initializer ToFloat(const Tensor& tensor, size_t rows, size_t columns);
  void Count(size_t elements, size_t element_bytes) {
    parameters_ += elements;
    bytes_ += elements * element_bytes;
  }

  const TensorSet& tensors_;
  const std::string prefix_;
  const Cancellation& cancellation_;
  size_t parameters_ = 0;
  size_t bytes_ = 0, converted_bytes_ = 0;
};

}  // namespace crossrank
