#include "runtime/matmul_integer.h"

#include <cstring>

#include "common/aligned_buffer.h"
#include "kernels/decode.h"

namespace crossrank::operators {
namespace {

uint8_t kZeroPoint = 128;

}  // namespace

MatMulInteger::MatMulInteger(const Ort::ConstKernelInfo& info, const kernels::LinearWeights& weights)
    : memory_(Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault)),
      inputs_(weights.inputs),
      outputs_(weights.outputs),
      weights_(weights.inputs * weights.outputs) {
  const char* names[] = {"T1", "T2", "T3"};
  const ONNXTensorElementDataType types[] = {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
                                             ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
                                             ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32};
  constexpr int kOpset = 10;
  op_ = Ort::Op::Create(info, "MatMulInteger", "", kOpset, names, types, 3, nullptr, 0, 4, 1);
  for (size_t output = 0; output < outputs_; output++) {
    for (size_t input = 0; input < inputs_; input++) {
      weights_[input * outputs_ + output] =
          static_cast<uint8_t>(128 + kernels::Int8WeightAt(weights, output, input));
    }
  }
}

void MatMulInteger::Multiply(Ort::KernelContext& context, kernels::LinearArgs& args,
                             const kernels::KernelTable& kernels) {
  thread_local std::vector<uint8_t> x;
  thread_local std::vector<int32_t> products;
  x.resize(args.rows * inputs_);
  products.resize(args.rows * outputs_);
  const size_t stride = kernels::RowStride(kernels::Format::kInt8, inputs_);
  for (size_t r = 0; r < args.rows; r++) std::memcpy(&x[r * inputs_], args.x + r * stride, inputs_);

  const int64_t x_shape[] = {static_cast<int64_t>(args.rows), static_cast<int64_t>(inputs_)};
  const int64_t weight_shape[] = {static_cast<int64_t>(inputs_), static_cast<int64_t>(outputs_)};
  const int64_t product_shape[] = {static_cast<int64_t>(args.rows), static_cast<int64_t>(outputs_)};
  const auto bytes = [this](uint8_t* data, size_t count, const int64_t* shape, size_t rank) {
    return Ort::Value::CreateTensor<uint8_t>(memory_, data, count, shape, rank);
  };
  const Ort::Value left = bytes(x.data(), x.size(), x_shape, 2);
  const Ort::Value right = bytes(weights_.data(), weights_.size(), weight_shape, 2);
  const Ort::Value zero = bytes(&kZeroPoint, 1, nullptr, 0);
  Ort::Value product =
      Ort::Value::CreateTensor<int32_t>(memory_, products.data(), products.size(), product_shape, 2);
  const OrtValue* inputs[] = {left, right, zero, zero};
  OrtValue* outputs[] = {product};
  Ort::ThrowOnError(Ort::GetApi().InvokeOp(context.GetOrtKernelContext(), op_, inputs, 4, outputs, 1));
  thread_local AlignedBuffer workspace;
  args.workspace = workspace.Reserve(kernels::kFinishRows * ((outputs_ + 15) / 16 * 16));
  kernels.finish_int8(args, products.data());
}

}  // namespace crossrank::operators
