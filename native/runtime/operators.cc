#include "runtime/operators.h"

#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/error.h"
#include "kernels/kernels.h"
#include "runtime/operator_names.h"
#include "runtime/tensor_data.h"

namespace crossrank::operators {
namespace {

using kernels::Kernels;
using ElementType = ONNXTensorElementDataType;

constexpr ElementType kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr ElementType kInt32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
constexpr ElementType kAny = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;

struct MatrixShape {
  size_t rows, columns;
};

MatrixShape ShapeOf(const Ort::ConstValue& value) {
  const std::vector<int64_t> shape = value.GetTensorTypeAndShapeInfo().GetShape();
  if (shape.empty()) throw Error(ErrorCode::kRuntime, "an operator was handed a scalar where it takes rows");
  return {static_cast<size_t>(shape[0]), shape.size() > 1 ? static_cast<size_t>(shape[1]) : 1};
}

float* AllocateOutput(Ort::KernelContext& context, size_t rows, size_t columns) {
  const int64_t shape[2] = {static_cast<int64_t>(rows), static_cast<int64_t>(columns)};
  return context.GetOutput(0, shape, 2).GetTensorMutableData<float>();
}

// An operator's kernel is a class with Run(context); what it throws becomes an OrtStatus, since no exception
// may cross ONNX Runtime, which is another C++ runtime's code.
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
  bool may_work_in_place;  // on its first input
};

template <class Kernel>
struct Operator : Ort::CustomOpBase<Operator<Kernel>, Kernel, true> {
  explicit Operator(Signature signature) : signature_(std::move(signature)) {
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
    return Guard([&] { *kernel = new Kernel(Ort::ConstKernelInfo(info)); });
  }
  const char* GetName() const { return signature_.name; }
  const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
  size_t GetInputTypeCount() const { return signature_.inputs.size(); }
  ElementType GetInputType(size_t index) const { return signature_.inputs[index]; }
  OrtCustomOpInputOutputCharacteristic GetInputCharacteristic(size_t index) const {
    return index < signature_.required_inputs ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
  }
  size_t GetOutputTypeCount() const { return 1; }
  ElementType GetOutputType(size_t) const { return kFloat; }

 private:
  Signature signature_;
};

template <class Derived>
struct StatusKernel {
  OrtStatusPtr ComputeV2(OrtKernelContext* context) noexcept {
    return Guard([&] {
      Ort::KernelContext kernel_context(context);
      static_cast<Derived*>(this)->Run(kernel_context);
    });
  }
};

kernels::RowTable TableOf(Ort::KernelContext& context, size_t index) {
  const Ort::ConstValue values = context.GetInput(index);
  kernels::RowTable table;
  table.values = TensorData<void>(values);
  table.rows = ShapeOf(values).rows;
  switch (values.GetTensorTypeAndShapeInfo().GetElementType()) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      table.type = kernels::TableType::kF32;
      return table;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      table.type = kernels::TableType::kF16;
      return table;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16:
      table.type = kernels::TableType::kBf16;
      return table;
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8:
      table.type = kernels::TableType::kI8;
      table.scales = TensorData<float>(context.GetInput(index + 1));
      return table;
    default:
      throw Error(ErrorCode::kRuntime, "an embedding table has an unexpected type");
  }
}

class EmbeddingsKernel : public StatusKernel<EmbeddingsKernel> {
 public:
  explicit EmbeddingsKernel(Ort::ConstKernelInfo info) : epsilon_(info.GetAttribute<float>("epsilon")) {}

  void Run(Ort::KernelContext& context) {
    kernels::EmbeddingArgs args{};
    const Ort::ConstValue ids = context.GetInput(0);
    args.ids = TensorData<int32_t>(ids);
    args.tokens = ShapeOf(ids).rows;
    args.position_ids = TensorData<int32_t>(context.GetInput(1));
    args.gamma = TensorData<float>(context.GetInput(3));
    args.beta = TensorData<float>(context.GetInput(4));
    args.words = TableOf(context, 5);
    args.positions = TableOf(context, 7);
    if (context.GetInputCount() > 9) {
      args.types = TableOf(context, 9);
      args.type_ids = TensorData<int32_t>(context.GetInput(2));
    }
    args.columns = ShapeOf(context.GetInput(5)).columns;
    args.epsilon = epsilon_;
    args.out = AllocateOutput(context, args.tokens, args.columns);
    Kernels().embed(args);
  }

 private:
  float epsilon_;
};

class AttentionKernel : public StatusKernel<AttentionKernel> {
 public:
  explicit AttentionKernel(Ort::ConstKernelInfo info)
      : heads_(static_cast<size_t>(info.GetAttribute<int64_t>("heads"))),
        first_only_(info.GetAttribute<int64_t>("first_only") != 0) {}

  void Run(Ort::KernelContext& context) {
    thread_local AlignedBuffer workspace;
    const Ort::ConstValue q = context.GetInput(0);
    const Ort::ConstValue offsets = context.GetInput(5);
    const MatrixShape shape = ShapeOf(q);
    kernels::AttentionArgs args{};
    args.q = TensorData<float>(q);
    args.k = TensorData<float>(context.GetInput(1));
    args.v = TensorData<float>(context.GetInput(2));
    args.q_stride = args.kv_stride = shape.columns;
    args.q_bias = TensorData<float>(context.GetInput(3));
    args.v_bias = TensorData<float>(context.GetInput(4));
    args.offsets = TensorData<int32_t>(offsets);
    args.sequences = ShapeOf(offsets).rows - 1;
    args.first_only = first_only_;
    args.heads = heads_;
    args.head_size = shape.columns / heads_;
    args.out = AllocateOutput(context, shape.rows, shape.columns);
    size_t longest = 0;
    for (size_t s = 0; s < args.sequences; s++) {
      const auto length = static_cast<size_t>(args.offsets[s + 1] - args.offsets[s]);
      if (length > longest) longest = length;
    }
    args.workspace = workspace.Reserve(Kernels().attention_workspace_floats(longest, args.head_size));
    Kernels().attention(args);
  }

 private:
  size_t heads_;
  bool first_only_;
};

class BiasActivationKernel : public StatusKernel<BiasActivationKernel> {
 public:
  explicit BiasActivationKernel(Ort::ConstKernelInfo info)
      : activation_(static_cast<kernels::Activation>(info.GetAttribute<int64_t>("activation"))) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue x = context.GetInput(0);
    const MatrixShape shape = ShapeOf(x);
    Kernels().bias_activation(TensorData<float>(x), TensorData<float>(context.GetInput(1)),
                              AllocateOutput(context, shape.rows, shape.columns), shape.rows, shape.columns,
                              activation_);
  }

 private:
  kernels::Activation activation_;
};

class BiasResidualLayerNormKernel : public StatusKernel<BiasResidualLayerNormKernel> {
 public:
  explicit BiasResidualLayerNormKernel(Ort::ConstKernelInfo info)
      : epsilon_(info.GetAttribute<float>("epsilon")) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue x = context.GetInput(0);
    const MatrixShape shape = ShapeOf(x);
    Kernels().bias_residual_layer_norm(
        TensorData<float>(x), TensorData<float>(context.GetInput(1)), TensorData<float>(context.GetInput(2)),
        TensorData<float>(context.GetInput(3)), TensorData<float>(context.GetInput(4)), epsilon_,
        AllocateOutput(context, shape.rows, shape.columns), shape.rows, shape.columns);
  }

 private:
  float epsilon_;
};

class FirstTokensKernel : public StatusKernel<FirstTokensKernel> {
 public:
  explicit FirstTokensKernel(Ort::ConstKernelInfo) {}

  void Run(Ort::KernelContext& context) {
    const Ort::ConstValue hidden = context.GetInput(0);
    const Ort::ConstValue offsets = context.GetInput(1);
    const size_t columns = ShapeOf(hidden).columns;
    const size_t sequences = ShapeOf(offsets).rows - 1;
    const float* from = TensorData<float>(hidden);
    const int32_t* starts = TensorData<int32_t>(offsets);
    float* out = AllocateOutput(context, sequences, columns);
    for (size_t s = 0; s < sequences; s++) {
      std::memcpy(out + s * columns, from + static_cast<size_t>(starts[s]) * columns,
                  columns * sizeof(float));
    }
  }
};

struct Registry {
  Operator<EmbeddingsKernel> embeddings{
      {kEmbeddings,
       {kInt32, kInt32, kInt32, kFloat, kFloat, kAny, kFloat, kAny, kFloat, kAny, kFloat},
       6,
       false}};
  Operator<AttentionKernel> attention{
      {kAttention, {kFloat, kFloat, kFloat, kFloat, kFloat, kInt32}, 6, false}};
  Operator<BiasActivationKernel> bias_activation{{kBiasActivation, {kFloat, kFloat}, 2, true}};
  Operator<BiasResidualLayerNormKernel> bias_residual_layer_norm{
      {kBiasResidualLayerNorm, {kFloat, kFloat, kFloat, kFloat, kFloat}, 5, true}};
  Operator<FirstTokensKernel> first_tokens{{kFirstTokens, {kFloat, kInt32}, 2, false}};
  Ort::CustomOpDomain domain{kDomain};

  Registry() {
    domain.Add(&embeddings);
    domain.Add(&attention);
    domain.Add(&bias_activation);
    domain.Add(&bias_residual_layer_norm);
    domain.Add(&first_tokens);
  }
};

}  // namespace

const Ort::CustomOpDomain& Domain() {
  static const auto* registry = new Registry;
  return registry->domain;
}

}  // namespace crossrank::operators
