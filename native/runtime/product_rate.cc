#include "runtime/product_rate.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "common/aligned_buffer.h"
#include "common/error.h"
#include "kernels/pack_linear.h"
#include "model/graph_writer.h"
#include "runtime/session_options.h"

namespace crossrank {
namespace {

using Clock = std::chrono::steady_clock;

struct Shape {
  size_t inputs, outputs;
};

std::vector<float> RandomValues(size_t count) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> distribution(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(engine);
  return values;
}

// A function that multiplies all shapes once; every thread calls it at the same time.
using Products = std::function<void()>;

Products OwnProducts(const kernels::KernelTable& kernels, kernels::Format format,
                     const std::vector<Shape>& shapes, size_t rows) {
  struct State {
    std::vector<kernels::PackedLinear> linears;
    std::vector<AlignedBuffer> x;
  };
  auto state = std::make_shared<State>();
  for (const Shape& shape : shapes) {
    state->linears.emplace_back(format, shape.outputs, shape.inputs);
    const std::vector<float> weights = RandomValues(shape.outputs * shape.inputs);
    state->linears.back().SetRows(0, shape.outputs, weights.data(), nullptr);
    state->x.emplace_back();
    float* encoded = state->x.back().Reserve(rows * kernels::RowStride(format, shape.inputs) / sizeof(float));
    kernels.encode(RandomValues(rows * shape.inputs).data(), rows, shape.inputs, format,
                   reinterpret_cast<uint8_t*>(encoded));
  }
  const kernels::LinearKernel& linear = kernels::LinearFor(kernels, format);
  return [state, &linear, rows] {
    thread_local AlignedBuffer out, workspace;
    for (size_t i = 0; i < state->linears.size(); i++) {
      kernels::LinearArgs args{};
      args.weights = state->linears[i].view();
      args.x = reinterpret_cast<const uint8_t*>(state->x[i].Reserve(0));
      args.rows = rows;
      args.encoded_format = kernels::Format::kBf16;
      const size_t stride = kernels::RowStride(args.encoded_format, args.weights.outputs);
      args.encoded = reinterpret_cast<uint8_t*>(out.Reserve(rows * stride / sizeof(float)));
      args.workspace = workspace.Reserve(linear.workspace_floats(args.weights, rows));
      linear.run(args);
    }
  };
}

Products LibraryProducts(const Library& library, const std::vector<Shape>& shapes, size_t rows) {
  struct State {
    std::vector<std::vector<float>> weights, x;
    std::vector<Ort::Value> values;
    Ort::Session session{nullptr};
    std::vector<std::string> inputs, outputs;
  };
  auto state = std::make_shared<State>();
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
  GraphWriter graph(library.path);  // any file that exists: the weights are handed over
  for (size_t i = 0; i < shapes.size(); i++) {
    const auto inputs = static_cast<int64_t>(shapes[i].inputs),
               outputs = static_cast<int64_t>(shapes[i].outputs);
    const std::string number = std::to_string(i);
    state->inputs.push_back("x" + number);
    state->outputs.push_back("y" + number);
    graph.AddInput(state->inputs[i], ElementType::kFloat, {{"rows", 0}, {"", inputs}});
    graph.AddOutput(state->outputs[i], ElementType::kFloat, {{"rows", 0}, {"", outputs}});
    graph.AddInitializer({"w" + number, ElementType::kFloat, {outputs, inputs}, nullptr, nullptr});
    graph.AddNode("", "Gemm", "gemm" + number, {state->inputs[i], "w" + number}, {state->outputs[i]},
                  {GraphWriter::Int("transB", 1)});
    state->weights.push_back(RandomValues(shapes[i].inputs * shapes[i].outputs));
    state->x.push_back(RandomValues(rows * shapes[i].inputs));
  }
  const GraphProgram program = std::move(graph).Finish({{"", 17}});
  Ort::SessionOptions options = SingleThreadedOptions();
  options.SetGraphOptimizationLevel(ORT_DISABLE_ALL);
  options.AddConfigEntry("session.model_external_initializers_file_folder_path",
                         program.weight_folder.c_str());
  for (size_t i = 0; i < shapes.size(); i++) {
    const Initializer& initializer = program.initializers[i];
    state->values.push_back(Ort::Value::CreateTensor<float>(
        memory, state->weights[i].data(), state->weights[i].size(), initializer.shape.data(), 2));
    options.AddInitializer(initializer.name.c_str(), state->values.back());
  }
  state->session = Ort::Session(*library.env, program.model.data(), program.model.size(), options);
  return [state, shapes, rows] {
    // Each thread's results lie where its last ones did: fresh pages would be measured too.
    thread_local std::vector<std::vector<float>> y;
    y.resize(shapes.size());
    const auto cpu = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeDefault);
    const auto tensor = [&cpu, rows](std::vector<float>& values, size_t columns) {
      const int64_t shape[] = {static_cast<int64_t>(rows), static_cast<int64_t>(columns)};
      return Ort::Value::CreateTensor<float>(cpu, values.data(), values.size(), shape, 2);
    };
    std::vector<Ort::Value> inputs, outputs;
    std::vector<const char*> input_names, output_names;
    for (size_t i = 0; i < shapes.size(); i++) {
      y[i].resize(rows * shapes[i].outputs);
      inputs.push_back(tensor(state->x[i], shapes[i].inputs));
      outputs.push_back(tensor(y[i], shapes[i].outputs));
      input_names.push_back(state->inputs[i].c_str());
      output_names.push_back(state->outputs[i].c_str());
    }
    state->session.Run(Ort::RunOptions(), input_names.data(), inputs.data(), inputs.size(),
                       output_names.data(), outputs.data(), outputs.size());
  };
}

}  // namespace

double MeasureProducts(const Library& library, const kernels::KernelTable& kernels, Precision precision,
                       const ProductPlan& plan) {
  const size_t hidden = plan.hidden_size, intermediate = plan.intermediate_size;
  const std::vector<Shape> shapes = {
      {hidden, 3 * hidden}, {hidden, hidden}, {hidden, intermediate}, {intermediate, hidden}};
  size_t multiply_adds = 0;
  for (const Shape& shape : shapes) multiply_adds += plan.rows * shape.inputs * shape.outputs;
  if (precision != Precision::kFp32 && kernels::LinearFor(kernels, FormatOf(precision)).run == nullptr) {
    throw Error(ErrorCode::kPrecision, std::string("the kernels '") + kernels.name + "' have no product in " +
                                           PrecisionName(precision) + " of their own to measure");
  }
  try {
    const Products multiply = HasOwnProducts(precision, kernels)
                                  ? OwnProducts(kernels, FormatOf(precision), shapes, plan.rows)
                                  : LibraryProducts(library, shapes, plan.rows);
    std::atomic<size_t> rounds{0};
    multiply();  // with cold memory
    const Clock::time_point start = Clock::now();
    const Clock::time_point end =
        start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(plan.seconds));
    const auto work = [&] {
      do {
        multiply();
        rounds++;
      } while (Clock::now() < end);
    };
    std::vector<std::thread> others;
    for (size_t i = 1; i < plan.threads; i++) others.emplace_back(work);
    work();
    for (std::thread& other : others) other.join();
    const std::chrono::duration<double> taken = Clock::now() - start;
    return static_cast<double>(rounds * multiply_adds) / taken.count();
  } catch (const Ort::Exception& error) {
    ThrowRuntimeError("ONNX Runtime cannot multiply", error);
  }
}

}  // namespace crossrank
