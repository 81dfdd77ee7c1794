#include "core/arrow.h"

#include <array>
#include <deque>

extern "C" {

struct ArrowSchema {
    const char* format;
    const char* name;
    const char* metadata;
    std::int64_t flags;
    std::int64_t n_children;
    ArrowSchema** children;
    ArrowSchema* dictionary;
    void (*release)(ArrowSchema*);
    void* private_data;
};

struct ArrowArray {
    std::int64_t length;
    std::int64_t null_count;
    std::int64_t offset;
    std::int64_t n_buffers;
    std::int64_t n_children;
    const void** buffers;
    ArrowArray** children;
    ArrowArray* dictionary;
    void (*release)(ArrowArray*);
    void* private_data;
};

}  // extern "C"

namespace quorlite::python {
namespace {

constexpr std::int64_t kNullable = 2;  // ARROW_FLAG_NULLABLE

// What a structure's private_data is: everything that it points to.
template <class Structure>
struct Owned {
    std::shared_ptr<std::vector<Column>> columns;
    std::string name;
    std::array<const void*, 3> buffers = {};
    std::deque<Structure> children;
    std::vector<Structure*> pointers;
};

// Children that were moved elsewhere are marked as released, and live on.
template <class Structure>
void release(Structure* exported) {
    const auto owned = static_cast<Owned<Structure>*>(exported->private_data);
    for (Structure& child : owned->children) {
        if (child.release != nullptr) child.release(&child);
    }
    delete owned;
    exported->release = nullptr;
}

template <class Structure>
void adopt(Structure& exported, std::unique_ptr<Owned<Structure>> owned) {
    for (Structure& child : owned->children) owned->pointers.push_back(&child);
    exported.n_children = static_cast<std::int64_t>(owned->pointers.size());
    exported.children = owned->pointers.data();
    exported.release = release<Structure>;
    exported.private_data = owned.release();
}

const char* format_of(ColumnKind kind) {
    switch (kind) {
        case ColumnKind::undecided:
            return "n";
        case ColumnKind::int64:
            return "l";
        case ColumnKind::float64:
            return "g";
        case ColumnKind::string:
            return "U";
        case ColumnKind::binary:
            break;
    }
    return "Z";
}

ArrowSchema schema_of(const Column& column) {
    auto owned = std::make_unique<Owned<ArrowSchema>>();
    owned->name = column.name;
    ArrowSchema schema = {};
    schema.format = format_of(column.kind);
    schema.name = owned->name.c_str();
    schema.flags = kNullable;
    adopt(schema, std::move(owned));
    return schema;
}

ArrowArray array_of(const std::shared_ptr<std::vector<Column>>& columns, const Column& column) {
    auto owned = std::make_unique<Owned<ArrowArray>>();
    owned->columns = columns;
    owned->buffers = {column.nulls == 0 ? nullptr : column.validity.data(), column.numbers.data(),
                      column.bytes.data()};
    ArrowArray array = {};
    array.length = static_cast<std::int64_t>(column.size);
    array.null_count = static_cast<std::int64_t>(column.nulls);
    const bool text = column.kind == ColumnKind::string || column.kind == ColumnKind::binary;
    array.n_buffers = column.kind == ColumnKind::undecided ? 0 : text ? 3 : 2;
    array.buffers = owned->buffers.data();
    adopt(array, std::move(owned));
    return array;
}

template <class Structure>
py::object capsule_of(const Structure& exported, const char* name) {
    auto* const held = new Structure(exported);
    PyObject* const capsule = PyCapsule_New(held, name, [](PyObject* made) {
        const auto left =
            static_cast<Structure*>(PyCapsule_GetPointer(made, PyCapsule_GetName(made)));
        if (left->release != nullptr) left->release(left);
        delete left;
    });
    if (capsule != nullptr) return py::reinterpret_steal<py::object>(capsule);
    held->release(held);
    delete held;
    throw py::error_already_set();
}

}  // namespace

bool is_utf8(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t at = 0; at < text.size();) {
        const unsigned first = byte(at);
        if (first < 0x80) {
            ++at;
            continue;
        }
        const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || text.size() - at <= more) return false;
        unsigned point = first & (0x3FU >> more);
        for (std::size_t i = 1; i <= more; ++i) {
            if ((byte(at + i) & 0xC0U) != 0x80) return false;
            point = point << 6 | (byte(at + i) & 0x3FU);
        }
        const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
        if (surrogate || point > 0x10FFFF) return false;
        if ((more == 2 && point < 0x800) || (more == 3 && point < 0x10000)) return false;
        at += more + 1;
    }
    return true;
}

py::tuple export_arrow(const std::shared_ptr<std::vector<Column>>& columns) {
    auto fields = std::make_unique<Owned<ArrowSchema>>();
    auto arrays = std::make_unique<Owned<ArrowArray>>();
    for (const Column& each : *columns) {
        fields->children.push_back(schema_of(each));
        arrays->children.push_back(array_of(columns, each));
    }
    ArrowSchema schema = {};
    schema.format = "+s";
    schema.name = "";
    adopt(schema, std::move(fields));
    ArrowArray array = {};
    array.length = columns->empty() ? 0 : static_cast<std::int64_t>(columns->front().size);
    array.n_buffers = 1;
    array.buffers = arrays->buffers.data();
    adopt(array, std::move(arrays));
    const py::object first = capsule_of(schema, "arrow_schema");
    return py::make_tuple(first, capsule_of(array, "arrow_array"));
}

}  // namespace quorlite::python
