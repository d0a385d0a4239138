#include "model/json.h"

#include <cmath>

#include "common/error.h"
#include "formats/formats_error.h"

namespace crossrank {
namespace {

const char* KindName(cr_json_kind kind) {
  switch (kind) {
    case CR_JSON_NULL:
      return "null";
    case CR_JSON_BOOL:
      return "a boolean";
    case CR_JSON_NUMBER:
      return "a number";
    case CR_JSON_STRING:
      return "a string";
    case CR_JSON_ARRAY:
      return "an array";
    case CR_JSON_OBJECT:
      return "an object";
  }
  return "an unknown value";
}

}  // namespace

void JsonView::Require(cr_json_kind expected) const {
  if (kind() == expected) return;
  throw Error(ErrorCode::kModelInvalid,
              *name_ + ": expected " + KindName(expected) + " but found " + KindName(kind()));
}

bool JsonView::boolean() const {
  Require(CR_JSON_BOOL);
  return cr_json_bool(node_) != 0;
}

double JsonView::number() const {
  Require(CR_JSON_NUMBER);
  return cr_json_number(node_);
}

int64_t JsonView::integer() const {
  const double value = number();
  constexpr double kLargestExact = 9007199254740992.0;  // 2^53
  if (std::floor(value) != value || std::fabs(value) > kLargestExact) {
    throw Error(ErrorCode::kModelInvalid,
                *name_ + ": expected an integer but found " + std::to_string(value));
  }
  return static_cast<int64_t>(value);
}

std::string_view JsonView::string() const {
  Require(CR_JSON_STRING);
  return ToView(cr_json_string(node_));
}

JsonView JsonView::element(size_t index) const {
  Require(CR_JSON_ARRAY);
  return {cr_json_value(node_, index), name_};
}

std::string_view JsonView::key(size_t index) const {
  Require(CR_JSON_OBJECT);
  return ToView(cr_json_key(node_, index));
}

JsonView JsonView::value(size_t index) const {
  Require(CR_JSON_OBJECT);
  return {cr_json_value(node_, index), name_};
}

bool JsonView::has(std::string_view key) const { return cr_json_member(node_, ToText(key)) != nullptr; }

JsonView JsonView::operator[](std::string_view key) const {
  return {cr_json_member(node_, ToText(key)), name_};
}

JsonView JsonView::at(std::string_view key) const {
  Require(CR_JSON_OBJECT);
  if (!has(key)) throw Error(ErrorCode::kModelInvalid, *name_ + ": \"" + std::string(key) + "\" is missing");
  return (*this)[key];
}

Json Json::Parse(const uint8_t* data, size_t size, const std::string& name) {
  cr_json* document = nullptr;
  cr_error error;
  ThrowIfUnreadable(cr_json_parse(data, size, &document, &error), error, name);
  return Json(document, name);
}

}  // namespace crossrank
