"""What boto3 says of a call that the server refused."""

import pytest
from botocore.exceptions import ClientError


def refusal(call, *arguments, **given) -> tuple:
    """Code and message of what a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **given)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]
