// Writes an ONNX model as protobuf bytes (schema: onnx.proto3 of the ONNX project, IR version 8).
// Weights stay outside: a graph names its initializers, the session is handed their memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/pack_linear.h"

namespace crossrank {

// TensorProto.DataType
enum class ElementType : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kInt32 = 6,
  kInt64 = 7,
  kFloat16 = 10,
  kBfloat16 = 16
};

size_t ElementBytes(ElementType type);

struct Initializer {
  std::string name;
  ElementType type;
  std::vector<int64_t> shape;
  // Either memory that outlives the session (a mapped file), or a function that fills `type` fp32 memory
  // once.
  const void* mapped = nullptr;
  std::function<void(float*)> fill;

  size_t elements() const {
    size_t count = 1;
    for (int64_t dim : shape) count *= static_cast<size_t>(dim);
    return count;
  }
};

// An ONNX graph ready for a session.
struct GraphProgram {
  std::string model;  // ModelProto
  std::vector<Initializer> initializers;
  // Packed weights, by the index that their nodes name; packed by `packing`, whose functions
  // may run side by side.
  std::vector<kernels::PackedLinear> linears;
  std::vector<std::function<void()>> packing;
  // The file that the initializers name as their place. ONNX Runtime checks that it exists and takes the
  // memory that it is handed all the same.
  std::string weight_folder;
};

class GraphWriter {
 public:
  // `weight_file`: path of an existing file, resolved of symbolic links.
  explicit GraphWriter(const std::string& weight_file);

  struct Attribute {
    std::string name;
    bool is_float;
    int64_t integer;
    float real;
  };
  static Attribute Int(const char* name, int64_t value) { return {name, false, value, 0}; }
  static Attribute Float(const char* name, float value) { return {name, true, 0, value}; }

  // A dimension is a name (free) or, where the name is empty, a number.
  struct Dim {
    std::string name;
    int64_t size;
  };

  void AddInput(const std::string& name, ElementType type, const std::vector<Dim>& shape);
  void AddOutput(const std::string& name, ElementType type, const std::vector<Dim>& shape);
  // Declares a weight whose memory the session is handed. Returns the name by which nodes refer to it.
  std::string AddInitializer(Initializer initializer);
  // `name` is what errors call the node.
  void AddNode(const char* domain, const char* op, const std::string& name,
               const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
               const std::vector<Attribute>& attributes = {});
  GraphProgram Finish(const std::vector<std::pair<std::string, int64_t>>& opsets) &&;

 private:
  std::string weight_folder_, weight_file_;
  std::string graph_;
  std::vector<Initializer> initializers_;
};

}  // namespace crossrank
