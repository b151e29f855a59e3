"""Blob inputs and outputs: whole contents in and out, as the host hands them to Python workers."""

from urllib.parse import unquote

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

from emulators.functions.binding_data import BindingError
from emulators.functions.storage.clients import StorageClients, has_code
from emulators.functions.storage_bindings import BlobInput, BlobOutput
from emulators.functions.worker import NO_DATA, ParameterBinding, TypedData


class BlobInputs:
    """Reads what input bindings name."""

    def __init__(self, clients: StorageClients) -> None:
        self._clients = clients

    async def read(self, binding: BlobInput) -> ParameterBinding:
        """The blob's content; nothing (None in Python) when it is not there. Raises BindingError."""
        container, name = _place(self._clients.blobs(binding.connection), binding.path)
        try:
            content = await download(container.get_blob_client(name))
        except AzureError as error:
            raise BindingError(f"The blob '{binding.path}' cannot be read: {error.message}") from error
        return ParameterBinding(
            binding.parameter, NO_DATA if content is None else blob_input(content, text=binding.text)
        )


class BlobOutputs:
    """Writes what output bindings return."""

    def __init__(self, clients: StorageClients) -> None:
        self._clients = clients

    async def send(self, output: BlobOutput, value: TypedData) -> None:
        """Write the whole blob, making its container when that is missing. Raises AzureError, BindingError."""
        content = value.value if isinstance(value.value, bytes) else str(value.value).encode()
        container, name = _place(self._clients.blobs(output.connection), output.path)
        await upload(container, name, content)


def _place(service: BlobServiceClient, path: str) -> tuple[ContainerClient, str]:
    """Container and name of `container/name`, or of a blob's whole address. Raises BindingError."""
    root = str(service.url).partition("?")[0].rstrip("/") + "/"
    container, _, name = unquote(path.removeprefix(root)).partition("/") if "://" in path else path.partition("/")
    if not container or not name:
        raise BindingError(f"Invalid blob path specified: '{path}'. Blob identifiers must be 'container/blob'")
    return service.get_container_client(container), name


def blob_input(content: bytes, *, text: bool) -> TypedData:
    """A blob's content as the worker takes it; what is no UTF-8 is replaced in text."""
    return TypedData(string=content.decode("utf-8", "replace")) if text else TypedData(bytes=content)


async def download(blob: BlobClient, etag: str | None = None) -> bytes | None:
    """The content (of this version, if an entity tag is given), None when it is not there. Raises AzureError."""
    try:
        if etag is None:
            return await (await blob.download_blob()).readall()
        return await (await blob.download_blob(etag=etag, match_condition=MatchConditions.IfNotModified)).readall()
    except ResourceNotFoundError:
        return None
    except AzureError as error:
        if etag is not None and has_code(error, "ConditionNotMet"):
            return None
        raise


async def upload(container: ContainerClient, name: str, content: bytes) -> None:
    """Write the whole blob into a container that is made when it is missing. Raises AzureError."""
    try:
        await container.upload_blob(name, content, overwrite=True)
    except ResourceNotFoundError:
        await create_container(container)
        await container.upload_blob(name, content, overwrite=True)


async def create_container(container: ContainerClient) -> None:
    """Make the container unless somebody else did meanwhile. Raises AzureError."""
    try:
        await container.create_container()
    except AzureError as error:
        if not has_code(error, "ContainerAlreadyExists"):
            raise
