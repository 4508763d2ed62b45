"""Files of video: reading by PyAV or decord, folders of pictures, and the writers."""

__all__: list[str] = []
