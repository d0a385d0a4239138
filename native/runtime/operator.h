// A custom operator of ONNX Runtime as a class with Run(context), and what its kernels have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "common/error.h"
#include "kernels/kernels.h"
#include "kernels/pack_linear.h"
#include "runtime/finite_probe.h"
#include "runtime/library.h"
#include "runtime/tensor_data.h"

namespace crossrank::operators {

using ElementType = ONNXTensorElementDataType;

constexpr ElementType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr ElementType kByte = ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
constexpr ElementType kInt32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
constexpr ElementType kAny = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;

// What the operators of one session share.
struct OperatorContext {
  const kernels::KernelTable& kernels;
  const std::vector<kernels::PackedLinear>& linears;
};

struct MatrixShape {
  size_t rows, columns;
};

inline MatrixShape ShapeOf(const Ort::ConstValue& value) {
  const std::vector<int64_t> shape = value.GetTensorTypeAndShapeInfo().GetShape();
  if (shape.empty()) throw Error(ErrorCode::kRuntime, "an operator was handed a scalar where it takes rows");
  return {static_cast<size_t>(shape[0]), shape.size() > 1 ? static_cast<size_t>(shape[1]) : 1};
}

inline size_t Size(const Ort::ConstKernelInfo& info, const char* attribute) {
  return static_cast<size_t>(info.GetAttribute<int64_t>(attribute));
}

// No exception may cross ONNX Runtime, which is another C++ runtime's code: what `function` throws becomes an
// OrtStatus.
template <class Function>
OrtStatusPtr Guard(Function&& function) noexcept {
  try {
    function();
    return nullptr;
  } catch (const std::exception& error) {
    return Ort::GetApi().CreateStatus(ORT_FAIL, error.what());
  } catch (...) {
    return Ort::GetApi().CreateStatus(ORT_FAIL, "unknown error in a crossrank operator");
  }
}

struct Signature {
  const char* name;
  std::vector<ElementType> inputs;
  size_t required_inputs;
  std::vector<ElementType> outputs = {kFloat};
  bool may_work_in_place = false;  // on its first input
};

template <class Kernel>
struct Operator : Ort::CustomOpBase<Operator<Kernel>, Kernel, true> {
  Operator(Signature signature, const OperatorContext& context)
      : signature_(std::move(signature)), context_(context) {
    this->version = kOrtApiLevel;
    if (!signature_.may_work_in_place) return;
    this->GetMayInplace = [](int** input, int** output) -> size_t {
      *input = new (std::nothrow) int(0);
      *output = new (std::nothrow) int(0);
      return *input != nullptr && *output != nullptr ? 1 : 0;
    };
    this->ReleaseMayInplace = [](int* input, int* output) {
      delete input;
      delete output;
    };
  }

  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const noexcept {
    return Guard([&] { *kernel = new Kernel(Ort::ConstKernelInfo(info), context_); });
  }
  const char* GetName() const { return signature_.name; }
  const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
  size_t GetInputTypeCount() const { return signature_.inputs.size(); }
  ElementType GetInputType(size_t index) const { return signature_.inputs[index]; }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t index) const {
    return index < signature_.required_inputs ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
  }
  size_t GetOutputTypeCount() const { return signature_.outputs.size(); }
  ElementType GetOutputType(size_t index) const { return signature_.outputs[index]; }

 private:
  Signature signature_;
  const OperatorContext& context_;
};

// The base of a kernel: a Derived has Run(context).
template <class Derived>
class OperatorKernel {
 public:
  OperatorKernel(const Ort::ConstKernelInfo& info, const OperatorContext& context)
      : context_(context), name_(info.GetNodeName()) {}

  OrtStatusPtr ComputeV2(OrtKernelContext* context) noexcept {
    return Guard([&] {
      Ort::KernelContext kernel_context(context);
      static_cast<Derived*>(this)->Run(kernel_context);
    });
  }

 protected:
  const kernels::KernelTable& kernels() const { return context_.kernels; }
  const kernels::PackedLinear& linear(size_t index) const { return context_.linears.at(index); }

  float* FloatOutput(Ort::KernelContext& context, size_t index, size_t rows, size_t columns) const {
    return Output<float>(context, index, rows, columns);
  }

  // Encoded rows (kernels/linear.h).
  uint8_t* RowsOutput(Ort::KernelContext& context, size_t index, size_t rows, kernels::Format format,
                      size_t columns) const {
    uint8_t* memory = Output<uint8_t>(context, index, rows, kernels::RowStride(format, columns));
    if (reinterpret_cast<uintptr_t>(memory) % kernels::kLineBytes != 0) {
      throw Error(ErrorCode::kRuntime, "ONNX Runtime handed out memory that starts between cache lines");
    }
    return memory;
  }

  // What the operator has just computed, for a run that looks for the first value that is not finite.
  void Computed(const float* values, size_t count) const {
    if (FiniteProbe* probe = FiniteProbe::OfThisThread()) probe->See(name_, values, count);
  }

 private:
  template <class T>
  static T* Output(Ort::KernelContext& context, size_t index, size_t rows, size_t columns) {
    const int64_t shape[2] = {static_cast<int64_t>(rows), static_cast<int64_t>(columns)};
    return context.GetOutput(index, shape, 2).template GetTensorMutableData<T>();
  }

  const OperatorContext& context_;
  const std::string name_;
};

}  // namespace crossrank::operators
