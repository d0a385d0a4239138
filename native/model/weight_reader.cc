#include "model/weight_reader.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/error.h"

namespace crossrank {
namespace {

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

kernels::TableType ToTableType(const Tensor& tensor) {
  switch (tensor.dtype) {
    case DType::kF32:
      return kernels::TableType::kF32;
    case DType::kF16:
      return kernels::TableType::kF16;
    case DType::kBF16:
      return kernels::TableType::kBf16;
    case DType::kI8:
      return kernels::TableType::kI8;
    default:
      throw Error(ErrorCode::kModelUnsupported,
                  "tensor " + tensor.name + " has type " + tensor.dtype_name +
                      ", which is not supported; known are F32, F16, BF16 and I8 with a "
                      "scale a row");
  }
}

ElementType ToElementType(kernels::TableType type) {
  switch (type) {
    case kernels::TableType::kF32:
      return ElementType::kFloat;
    case kernels::TableType::kF16:
      return ElementType::kFloat16;
    case kernels::TableType::kBf16:
      return ElementType::kBfloat16;
    default:
      return ElementType::kInt8;
  }
}

bool Aligned(const Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.data) % ElementBytes(ToElementType(ToTableType(tensor))) == 0;
}

}  // namespace

const Tensor* WeightReader::Find(const std::string& name) const {
  const Tensor* tensor = tensors_.Find(name);
  if (tensor != nullptr || name.compare(0, prefix_.size(), prefix_) != 0) return tensor;
  return tensors_.Find(name.substr(prefix_.size()));
}

const Tensor& WeightReader::Require(const std::string& name, const std::vector<int64_t>& shape) const {
  const Tensor* tensor = Find(name);
  if (tensor == nullptr) {
    throw Error(ErrorCode::kModelInvalid,
                "tensor " + name +
                    " is missing from the weights; config.json describes another model, or the "
                    "files are incomplete");
  }
  if (tensor->shape != shape) {
    throw Error(ErrorCode::kModelInvalid, "tensor " + name + " has shape " + ShapeText(tensor->shape) +
                                              " but config.json asks for " + ShapeText(shape));
  }
  return *tensor;
}

const Tensor& WeightReader::RequireScale(const std::string& name, size_t rows) const {
  const Tensor& scale = Require(name + "_scale", {static_cast<int64_t>(rows), 1});
  if (scale.dtype != DType::kF32 || !Aligned(scale)) {
    throw Error(ErrorCode::kModelInvalid, "tensor " + scale.name + " must be F32 on a 4-byte boundary");
  }
  return scale;
}

kernels::RowTable WeightReader::Rows(const Tensor& tensor, size_t rows, std::vector<uint8_t>& copy) const {
  kernels::RowTable table;
  table.type = ToTableType(tensor);
  table.rows = rows;
  if (table.type == kernels::TableType::kI8)
    table.scales = reinterpret_cast<const float*>(RequireScale(tensor.name, rows).data);
  if (!Aligned(tensor)) copy.assign(tensor.data, tensor.data + tensor.bytes);
  table.values = copy.empty() ? tensor.data : copy.data();
  return table;
}

Initializer WeightReader::ToFloat(const Tensor& tensor, size_t rows, size_t columns) {
  const kernels::TableType type = ToTableType(tensor);
  Initializer out{tensor.name, ElementType::kFloat, tensor.shape, nullptr, nullptr};
  if (type == kernels::TableType::kF32 && Aligned(tensor)) {
    out.mapped = tensor.data;
  } else {
    if (type == kernels::TableType::kI8) RequireScale(tensor.name, rows);
    out.fill = [reader = *this, &tensor, rows, columns](float* values) {
      reader.cancellation_.Check();
      std::vector<uint8_t> copy;
      kernels::Kernels().to_float(reader.Rows(tensor, rows, copy), 0, rows, columns, values);
      reader.tensors_.ReleasePages();  // what was converted need not stay in memory beside its copy
    };
    converted_bytes_ += rows * columns * sizeof(float);
  }
  Count(rows * columns, sizeof(float));
  return out;
}

std::function<void()> WeightReader::Packing(const std::string& module, size_t rows, size_t columns,
                                            bool with_bias, kernels::PackedLinear& linear, size_t first) {
  const Tensor& weight =
      Require(module + ".weight", {static_cast<int64_t>(rows), static_cast<int64_t>(columns)});
  const Tensor& bias = Require(module + ".bias", {static_cast<int64_t>(rows)});
  if (ToTableType(bias) == kernels::TableType::kI8) Vector(bias.name, rows);  // refuses it
  if (ToTableType(weight) == kernels::TableType::kI8) RequireScale(weight.name, rows);
  parameters_ += rows * columns + (with_bias ? rows : 0);
  return [reader = *this, &weight, &bias, with_bias, &linear, first, rows, columns] {
    constexpr size_t kRows = 64;  // fp32 rows that are in memory at a time
    const auto& to_float = kernels::Kernels().to_float;
    std::vector<uint8_t> weight_copy, bias_copy;
    const kernels::RowTable table = reader.Rows(weight, rows, weight_copy);
    std::vector<float> biases(rows), values(kRows * columns);
    if (with_bias) to_float(reader.Rows(bias, 1, bias_copy), 0, 1, rows, biases.data());
    for (size_t row = 0; row < rows; row += kRows) {
      reader.cancellation_.Check();
      const size_t count = std::min(kRows, rows - row);
      to_float(table, row, count, columns, values.data());
      if (linear.SetRows(first + row, count, values.data(), biases.data() + row)) continue;
      throw Error(ErrorCode::kModelInvalid, "tensor " + weight.name + " or " + bias.name +
                                                " holds NaN or infinity; save the model again");
    }
  };
}

Initializer WeightReader::Matrix(const std::string& name, size_t rows, size_t columns) {
  const Tensor& tensor = Require(name, {static_cast<int64_t>(rows), static_cast<int64_t>(columns)});
  return ToFloat(tensor, rows, columns);
}

Initializer WeightReader::Vector(const std::string& name, size_t size) {
  const Tensor& tensor = Require(name, {static_cast<int64_t>(size)});
  if (tensor.dtype == DType::kI8) {
    throw Error(ErrorCode::kModelUnsupported,
                "tensor " + name + " has type I8, which is known for matrices alone");
  }
  return ToFloat(tensor, 1, size);
}

WeightReader::Table WeightReader::EmbeddingTable(const std::string& name, size_t rows, size_t columns) {
  const Tensor& tensor = Require(name, {static_cast<int64_t>(rows), static_cast<int64_t>(columns)});
  Table table;
  if (!Aligned(tensor)) {
    table.values = ToFloat(tensor, rows, columns);
    return table;
  }
  const kernels::TableType type = ToTableType(tensor);
  table.values = {tensor.name, ToElementType(type), tensor.shape, tensor.data, nullptr};
  if (type == kernels::TableType::kI8) {
    const Tensor& scale = RequireScale(name, rows);
    table.scales = {scale.name, ElementType::kFloat, scale.shape, scale.data, nullptr};
    table.has_scales = true;
  }
  Count(rows * columns, ElementBytes(table.values.type));
  return table;
}

Initializer WeightReader::Gamma(const std::string& module, size_t size) {
  const bool old_name = Find(module + ".weight") == nullptr && Find(module + ".gamma") != nullptr;
  return Vector(module + (old_name ? ".gamma" : ".weight"), size);
}

Initializer WeightReader::Beta(const std::string& module, size_t size) {
  const bool old_name = Find(module + ".bias") == nullptr && Find(module + ".beta") != nullptr;
  return Vector(module + (old_name ? ".beta" : ".bias"), size);
}

}  // namespace crossrank
