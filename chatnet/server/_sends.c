/* The loop of a flock: the same bytes to many sockets, without Python between them.
 *
 * Optional: where this was not built, chatnet/server/flock.py does all of it, and the same. It is
 * a module of its own, because twistd looks for chatnet in the current folder first: what runs in
 * a checkout finds this where chatnet was installed.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Python ignores SIGPIPE */
#endif
#define AT_ONCE 256 /* sockets that are sent to before others may have the interpreter */

static PyObject *socket_type; /* socket.socket */
static PyCFunction socket_send; /* what its send is, in C */

/* Return the descriptor of the socket whose send method that is; -1 if it is none, or is closed. */
static int descriptor(PyObject *send)
{
    PyObject *socket;
    int fd;
    if (!PyCFunction_Check(send) || PyCFunction_GetFunction(send) != socket_send) return -1;
    socket = PyCFunction_GetSelf(send);
    if (!socket || !PyObject_TypeCheck(socket, (PyTypeObject *)socket_type)) return -1;
    fd = PyObject_AsFileDescriptor(socket);
    if (fd < 0) PyErr_Clear();
    return fd;
}

static PyObject *send_all(PyObject *module, PyObject *args)
{
    PyObject *sends;
    Py_buffer data;
    Py_ssize_t at = 0, count, sent = 0;
    int fds[AT_ONCE], some, done, whole = 1;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!y*:send_all", &PyList_Type, &sends, &data)) return NULL;
    count = PyList_GET_SIZE(sends);
    while (whole && at < count) {
        for (some = 0; some < AT_ONCE && at + some < count; some++) {
            fds[some] = descriptor(PyList_GET_ITEM(sends, at + some));
            if (fds[some] < 0) break;
        }
        if (!some) break;
        Py_BEGIN_ALLOW_THREADS
        for (done = 0; done < some; done++) {
            do
                sent = send(fds[done], data.buf, (size_t)data.len, MSG_DONTWAIT | MSG_NOSIGNAL);
            while (sent < 0 && errno == EINTR);
            if (sent != data.len) break;
        }
        Py_END_ALLOW_THREADS
        whole = done == some;
        at += done;
        if (PyList_GET_SIZE(sends) != count) break; /* somebody changed it, who may not */
    }
    PyBuffer_Release(&data);
    return Py_BuildValue("nn", at, whole || sent < 0 ? (Py_ssize_t)0 : sent);
}

static PyMethodDef functions[] = {
    { "send_all", send_all, METH_VARARGS,
      "send_all(sends, data)\n--\n\n"
      "Send data through each of sends, while those are sockets' and take all of it.\n\n"
      "Return how many did, and how many bytes of it the next one took." },
    { NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_chatnet_sends", NULL, -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__chatnet_sends(void)
{
    PyObject *module = PyImport_ImportModule("socket"), *send = NULL;
    if (!module) return NULL;
    socket_type = PyObject_GetAttrString(module, "socket");
    Py_DECREF(module);
    if (!socket_type) return NULL;
    send = PyObject_GetAttrString(socket_type, "send");
    if (!send) return NULL;
    if (!PyType_Check(socket_type) || !Py_IS_TYPE(send, &PyMethodDescr_Type)) {
        Py_DECREF(send);
        PyErr_SetString(PyExc_ImportError, "sockets are not as they were");
        return NULL;
    }
    socket_send = ((PyMethodDescrObject *)send)->d_method->ml_meth;
    Py_DECREF(send);
    return PyModule_Create(&definition);
}
