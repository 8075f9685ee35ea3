// A device of type "npu" whose memory is the machine's own: what Paddle asks of a plugin, no more.
// Kernels that it does not bring run on the CPU, so that results are those of the CPU.
#include <cstdlib>
#include <cstring>

#include "paddle/phi/backends/device_ext.h"

namespace {

C_Status done(const C_Device) { return C_SUCCESS; }
C_Status current(const C_Device device) {
  device->id = 0;
  return C_SUCCESS;
}
C_Status nothing() { return C_SUCCESS; }

C_Status create_stream(const C_Device, C_Stream* stream) {
  *stream = nullptr;
  return C_SUCCESS;
}
C_Status on_stream(const C_Device, C_Stream) { return C_SUCCESS; }
C_Status create_event(const C_Device, C_Event* event) {
  *event = nullptr;
  return C_SUCCESS;
}
C_Status on_event(const C_Device, C_Event) { return C_SUCCESS; }
C_Status on_stream_and_event(const C_Device, C_Stream, C_Event) { return C_SUCCESS; }

C_Status allocate(const C_Device, void** memory, size_t size) {
  *memory = std::malloc(size);
  return *memory ? C_SUCCESS : C_FAILED;
}
C_Status release(const C_Device, void* memory, size_t) {
  std::free(memory);
  return C_SUCCESS;
}
C_Status copy(const C_Device, void* to, const void* from, size_t size) {
  std::memcpy(to, from, size);
  return C_SUCCESS;
}
C_Status copy_on_stream(const C_Device, C_Stream, void* to, const void* from, size_t size) {
  std::memcpy(to, from, size);
  return C_SUCCESS;
}

C_Status count(size_t* devices) {
  *devices = 1;
  return C_SUCCESS;
}
C_Status list(size_t* devices) {
  devices[0] = 0;
  return C_SUCCESS;
}
C_Status memory(const C_Device, size_t* total, size_t* free) {
  *total = *free = size_t{1} << 30;
  return C_SUCCESS;
}
C_Status chunk(const C_Device, size_t* bytes) {
  *bytes = 512;
  return C_SUCCESS;
}

}  // namespace

void InitPlugin(CustomRuntimeParams* params) {
  PADDLE_CUSTOM_RUNTIME_CHECK_VERSION(params);
  params->device_type = const_cast<char*>("npu");
  params->sub_device_type = const_cast<char*>("fake");

  C_DeviceInterface* device = params->interface;
  std::memset(device, 0, sizeof(C_DeviceInterface));
  device->size = sizeof(C_DeviceInterface);
  device->initialize = device->finalize = nothing;
  device->init_device = device->deinit_device = device->set_device = done;
  device->get_device = current;
  device->synchronize_device = done;
  device->create_stream = create_stream;
  device->destroy_stream = device->synchronize_stream = on_stream;
  device->create_event = create_event;
  device->destroy_event = device->synchronize_event = on_event;
  device->record_event = device->stream_wait_event = on_stream_and_event;
  device->device_memory_allocate = device->host_memory_allocate = allocate;
  device->device_memory_deallocate = device->host_memory_deallocate = release;
  device->memory_copy_h2d = device->memory_copy_d2h = device->memory_copy_d2d = copy;
  device->async_memory_copy_h2d = device->async_memory_copy_d2h = copy_on_stream;
  device->async_memory_copy_d2d = copy_on_stream;
  device->get_device_count = count;
  device->get_device_list = list;
  device->device_memory_stats = memory;
  device->device_min_chunk_size = chunk;
}
