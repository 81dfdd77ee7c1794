#include "core/errors.h"

#include <array>

#include "wire/base/error_codes.h"

namespace py = pybind11;

namespace quorlite::python {
namespace {

[[noreturn]] void throw_info(error_kind kind, int code, std::string message) {
    error_info info;
    info.kind = kind;
    info.extended_code = code;
    info.message = std::move(message);
    throw_error(std::move(info));
}

void raise(const py::object& exception) {
    PyErr_SetObject(py::type::of(exception).ptr(), exception.ptr());
}

py::object make(const char* function, const py::tuple& described) {
    return py::module_::import("quorlite._errors").attr(function)(*described);
}

const char* to_string(NodeError::Kind kind) {
    static constexpr std::array kNames = {"options", "directory", "listen", "join",
                                          "removed", "timeout",   "other"};
    return kNames.at(static_cast<std::size_t>(kind));
}

void translate(std::exception_ptr thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& failed) {
        raise(exception_of(failed.info()));
    } catch (const NodeFailure& failed) {
        raise(
            make("from_node", py::make_tuple(to_string(failed.error.kind), failed.error.message)));
    }
}

}  // namespace

py::object exception_of(const error_info& info) {
    const py::object message = py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
        info.message.data(), static_cast<Py_ssize_t>(info.message.size()), "replace"));
    return make("from_core", py::make_tuple(quorlite::to_string(info.kind), info.code(),
                                            info.extended_code, message, info.node,
                                            quorlite::to_string(info.verdict), info.may_retry));
}

void throw_misuse(std::string message) {
    throw_info(error_kind::usage, code::kMisuse, std::move(message));
}

void throw_conversion(std::string message) {
    throw_info(error_kind::conversion, code::kMismatch, std::move(message));
}

void define_errors() {
    py::register_exception_translator(translate);
}

}  // namespace quorlite::python
