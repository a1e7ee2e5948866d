import app
import boto3


def s3_read(event):
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{event['silent']}")
    app.at_it()
    return s3.get_object(Bucket="bucket", Key="key")["Body"].read().decode()
