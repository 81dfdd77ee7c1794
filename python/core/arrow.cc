#include "core/arrow.h"

#include <array>

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

// Releases what a structure points to, unless that was moved elsewhere, and frees it.
struct Release {
    template <class Structure>
    void operator()(Structure* exported) const {
        if (exported->release != nullptr) exported->release(exported);
        delete exported;
    }
};

template <class Structure>
using Exported = std::unique_ptr<Structure, Release>;

// What a structure's private_data is: everything that it points to.
template <class Structure>
struct Owned {
    std::shared_ptr<std::vector<Column>> columns;
    std::string name;
    std::array<const void*, 3> buffers = {};
    std::vector<Exported<Structure>> children;
    std::vector<Structure*> pointers;
};

// A structure that owns these.
template <class Structure>
Exported<Structure> make(std::unique_ptr<Owned<Structure>> owned) {
    for (const auto& child : owned->children) owned->pointers.push_back(child.get());
    Exported<Structure> made(new Structure());
    made->n_children = static_cast<std::int64_t>(owned->pointers.size());
    made->children = owned->pointers.data();
    made->release = [](Structure* exported) {
        delete static_cast<Owned<Structure>*>(exported->private_data);
        exported->release = nullptr;
    };
    made->private_data = owned.release();
    return made;
}

Exported<ArrowSchema> schema_of(const Column& column) {
    auto owned = std::make_unique<Owned<ArrowSchema>>();
    owned->name = column.name;
    const char* const name = owned->name.c_str();
    auto schema = make(std::move(owned));
    schema->format = names_of(column.kind).arrow;
    schema->name = name;
    schema->flags = kNullable;
    return schema;
}

Exported<ArrowArray> array_of(const std::shared_ptr<std::vector<Column>>& columns,
                              const Column& column) {
    auto owned = std::make_unique<Owned<ArrowArray>>();
    owned->columns = columns;
    owned->buffers = {column.nulls == 0 ? nullptr : column.validity.data(), column.numbers.data(),
                      column.bytes.data()};
    const void** const buffers = owned->buffers.data();
    auto array = make(std::move(owned));
    array->length = static_cast<std::int64_t>(column.size);
    array->null_count = static_cast<std::int64_t>(column.nulls);
    const bool text = column.kind == ColumnKind::string || column.kind == ColumnKind::binary;
    array->n_buffers = column.kind == ColumnKind::undecided ? 0 : text ? 3 : 2;
    array->buffers = buffers;
    return array;
}

template <class Structure>
py::object capsule_of(Exported<Structure> exported, const char* name) {
    PyObject* const capsule = PyCapsule_New(exported.get(), name, [](PyObject* made) {
        const Exported<Structure> left(
            static_cast<Structure*>(PyCapsule_GetPointer(made, PyCapsule_GetName(made))));
    });
    if (capsule == nullptr) throw py::error_already_set();
    exported.release();
    return py::reinterpret_steal<py::object>(capsule);
}

}  // namespace

py::tuple export_arrow(const std::shared_ptr<std::vector<Column>>& columns) {
    auto fields = std::make_unique<Owned<ArrowSchema>>();
    auto arrays = std::make_unique<Owned<ArrowArray>>();
    for (const Column& each : *columns) {
        fields->children.push_back(schema_of(each));
        arrays->children.push_back(array_of(columns, each));
    }
    const void** const buffers = arrays->buffers.data();
    auto schema = make(std::move(fields));
    schema->format = "+s";
    schema->name = "";
    auto array = make(std::move(arrays));
    array->length = columns->empty() ? 0 : static_cast<std::int64_t>(columns->front().size);
    array->n_buffers = 1;
    array->buffers = buffers;
    const py::object first = capsule_of(std::move(schema), "arrow_schema");
    return py::make_tuple(first, capsule_of(std::move(array), "arrow_array"));
}

}  // namespace quorlite::python
