import { testRefusedRequests } from './refused-requests.ts'

testRefusedRequests(500)
